//! All methods. Made from `methods.txt`.

pub mod access;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;
pub mod tx;

use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, Side};
use bytes::BytesMut;

/// A method, by its class and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'a> {
    /// `connection.start`.
    ConnectionStart(connection::Start<'a>),
    /// `connection.start-ok`.
    ConnectionStartOk(connection::StartOk<'a>),
    /// `connection.secure`.
    ConnectionSecure(connection::Secure<'a>),
    /// `connection.secure-ok`.
    ConnectionSecureOk(connection::SecureOk<'a>),
    /// `connection.tune`.
    ConnectionTune(connection::Tune),
    /// `connection.tune-ok`.
    ConnectionTuneOk(connection::TuneOk),
    /// `connection.open`.
    ConnectionOpen(connection::Open<'a>),
    /// `connection.open-ok`.
    ConnectionOpenOk(connection::OpenOk),
    /// `connection.close`.
    ConnectionClose(connection::Close<'a>),
    /// `connection.close-ok`.
    ConnectionCloseOk(connection::CloseOk),
    /// `connection.blocked`.
    ConnectionBlocked(connection::Blocked<'a>),
    /// `connection.unblocked`.
    ConnectionUnblocked(connection::Unblocked),
    /// `connection.update-secret`.
    ConnectionUpdateSecret(connection::UpdateSecret<'a>),
    /// `connection.update-secret-ok`.
    ConnectionUpdateSecretOk(connection::UpdateSecretOk),
    /// `channel.open`.
    ChannelOpen(channel::Open),
    /// `channel.open-ok`.
    ChannelOpenOk(channel::OpenOk),
    /// `channel.flow`.
    ChannelFlow(channel::Flow),
    /// `channel.flow-ok`.
    ChannelFlowOk(channel::FlowOk),
    /// `channel.close`.
    ChannelClose(channel::Close<'a>),
    /// `channel.close-ok`.
    ChannelCloseOk(channel::CloseOk),
    /// `access.request`.
    AccessRequest(access::Request<'a>),
    /// `access.request-ok`.
    AccessRequestOk(access::RequestOk),
    /// `exchange.declare`.
    ExchangeDeclare(exchange::Declare<'a>),
    /// `exchange.declare-ok`.
    ExchangeDeclareOk(exchange::DeclareOk),
    /// `exchange.delete`.
    ExchangeDelete(exchange::Delete<'a>),
    /// `exchange.delete-ok`.
    ExchangeDeleteOk(exchange::DeleteOk),
    /// `exchange.bind`.
    ExchangeBind(exchange::Bind<'a>),
    /// `exchange.bind-ok`.
    ExchangeBindOk(exchange::BindOk),
    /// `exchange.unbind`.
    ExchangeUnbind(exchange::Unbind<'a>),
    /// `exchange.unbind-ok`.
    ExchangeUnbindOk(exchange::UnbindOk),
    /// `queue.declare`.
    QueueDeclare(queue::Declare<'a>),
    /// `queue.declare-ok`.
    QueueDeclareOk(queue::DeclareOk<'a>),
    /// `queue.bind`.
    QueueBind(queue::Bind<'a>),
    /// `queue.bind-ok`.
    QueueBindOk(queue::BindOk),
    /// `queue.unbind`.
    QueueUnbind(queue::Unbind<'a>),
    /// `queue.unbind-ok`.
    QueueUnbindOk(queue::UnbindOk),
    /// `queue.purge`.
    QueuePurge(queue::Purge<'a>),
    /// `queue.purge-ok`.
    QueuePurgeOk(queue::PurgeOk),
    /// `queue.delete`.
    QueueDelete(queue::Delete<'a>),
    /// `queue.delete-ok`.
    QueueDeleteOk(queue::DeleteOk),
    /// `basic.qos`.
    BasicQos(basic::Qos),
    /// `basic.qos-ok`.
    BasicQosOk(basic::QosOk),
    /// `basic.consume`.
    BasicConsume(basic::Consume<'a>),
    /// `basic.consume-ok`.
    BasicConsumeOk(basic::ConsumeOk<'a>),
    /// `basic.cancel`.
    BasicCancel(basic::Cancel<'a>),
    /// `basic.cancel-ok`.
    BasicCancelOk(basic::CancelOk<'a>),
    /// `basic.publish`.
    BasicPublish(basic::Publish<'a>),
    /// `basic.return`.
    BasicReturn(basic::Return<'a>),
    /// `basic.deliver`.
    BasicDeliver(basic::Deliver<'a>),
    /// `basic.get`.
    BasicGet(basic::Get<'a>),
    /// `basic.get-ok`.
    BasicGetOk(basic::GetOk<'a>),
    /// `basic.get-empty`.
    BasicGetEmpty(basic::GetEmpty),
    /// `basic.ack`.
    BasicAck(basic::Ack),
    /// `basic.reject`.
    BasicReject(basic::Reject),
    /// `basic.recover-async`.
    BasicRecoverAsync(basic::RecoverAsync),
    /// `basic.recover`.
    BasicRecover(basic::Recover),
    /// `basic.recover-ok`.
    BasicRecoverOk(basic::RecoverOk),
    /// `basic.nack`.
    BasicNack(basic::Nack),
    /// `tx.select`.
    TxSelect(tx::Select),
    /// `tx.select-ok`.
    TxSelectOk(tx::SelectOk),
    /// `tx.commit`.
    TxCommit(tx::Commit),
    /// `tx.commit-ok`.
    TxCommitOk(tx::CommitOk),
    /// `tx.rollback`.
    TxRollback(tx::Rollback),
    /// `tx.rollback-ok`.
    TxRollbackOk(tx::RollbackOk),
    /// `confirm.select`.
    ConfirmSelect(confirm::Select),
    /// `confirm.select-ok`.
    ConfirmSelectOk(confirm::SelectOk),
}

impl<'a> Method<'a> {
    /// Reads the fields of the method with these numbers.
    #[inline]
    pub(crate) fn read(id: MethodId, reader: &mut Reader<'a>) -> Result<Self, Problem> {
        Ok(match id {
            connection::Start::ID => Self::ConnectionStart(connection::Start::read(reader)?),
            connection::StartOk::ID => Self::ConnectionStartOk(connection::StartOk::read(reader)?),
            connection::Secure::ID => Self::ConnectionSecure(connection::Secure::read(reader)?),
            connection::SecureOk::ID => {
                Self::ConnectionSecureOk(connection::SecureOk::read(reader)?)
            }
            connection::Tune::ID => Self::ConnectionTune(connection::Tune::read(reader)?),
            connection::TuneOk::ID => Self::ConnectionTuneOk(connection::TuneOk::read(reader)?),
            connection::Open::ID => Self::ConnectionOpen(connection::Open::read(reader)?),
            connection::OpenOk::ID => Self::ConnectionOpenOk(connection::OpenOk::read(reader)?),
            connection::Close::ID => Self::ConnectionClose(connection::Close::read(reader)?),
            connection::CloseOk::ID => Self::ConnectionCloseOk(connection::CloseOk::read(reader)?),
            connection::Blocked::ID => Self::ConnectionBlocked(connection::Blocked::read(reader)?),
            connection::Unblocked::ID => {
                Self::ConnectionUnblocked(connection::Unblocked::read(reader)?)
            }
            connection::UpdateSecret::ID => {
                Self::ConnectionUpdateSecret(connection::UpdateSecret::read(reader)?)
            }
            connection::UpdateSecretOk::ID => {
                Self::ConnectionUpdateSecretOk(connection::UpdateSecretOk::read(reader)?)
            }
            channel::Open::ID => Self::ChannelOpen(channel::Open::read(reader)?),
            channel::OpenOk::ID => Self::ChannelOpenOk(channel::OpenOk::read(reader)?),
            channel::Flow::ID => Self::ChannelFlow(channel::Flow::read(reader)?),
            channel::FlowOk::ID => Self::ChannelFlowOk(channel::FlowOk::read(reader)?),
            channel::Close::ID => Self::ChannelClose(channel::Close::read(reader)?),
            channel::CloseOk::ID => Self::ChannelCloseOk(channel::CloseOk::read(reader)?),
            access::Request::ID => Self::AccessRequest(access::Request::read(reader)?),
            access::RequestOk::ID => Self::AccessRequestOk(access::RequestOk::read(reader)?),
            exchange::Declare::ID => Self::ExchangeDeclare(exchange::Declare::read(reader)?),
            exchange::DeclareOk::ID => Self::ExchangeDeclareOk(exchange::DeclareOk::read(reader)?),
            exchange::Delete::ID => Self::ExchangeDelete(exchange::Delete::read(reader)?),
            exchange::DeleteOk::ID => Self::ExchangeDeleteOk(exchange::DeleteOk::read(reader)?),
            exchange::Bind::ID => Self::ExchangeBind(exchange::Bind::read(reader)?),
            exchange::BindOk::ID => Self::ExchangeBindOk(exchange::BindOk::read(reader)?),
            exchange::Unbind::ID => Self::ExchangeUnbind(exchange::Unbind::read(reader)?),
            exchange::UnbindOk::ID => Self::ExchangeUnbindOk(exchange::UnbindOk::read(reader)?),
            queue::Declare::ID => Self::QueueDeclare(queue::Declare::read(reader)?),
            queue::DeclareOk::ID => Self::QueueDeclareOk(queue::DeclareOk::read(reader)?),
            queue::Bind::ID => Self::QueueBind(queue::Bind::read(reader)?),
            queue::BindOk::ID => Self::QueueBindOk(queue::BindOk::read(reader)?),
            queue::Unbind::ID => Self::QueueUnbind(queue::Unbind::read(reader)?),
            queue::UnbindOk::ID => Self::QueueUnbindOk(queue::UnbindOk::read(reader)?),
            queue::Purge::ID => Self::QueuePurge(queue::Purge::read(reader)?),
            queue::PurgeOk::ID => Self::QueuePurgeOk(queue::PurgeOk::read(reader)?),
            queue::Delete::ID => Self::QueueDelete(queue::Delete::read(reader)?),
            queue::DeleteOk::ID => Self::QueueDeleteOk(queue::DeleteOk::read(reader)?),
            basic::Qos::ID => Self::BasicQos(basic::Qos::read(reader)?),
            basic::QosOk::ID => Self::BasicQosOk(basic::QosOk::read(reader)?),
            basic::Consume::ID => Self::BasicConsume(basic::Consume::read(reader)?),
            basic::ConsumeOk::ID => Self::BasicConsumeOk(basic::ConsumeOk::read(reader)?),
            basic::Cancel::ID => Self::BasicCancel(basic::Cancel::read(reader)?),
            basic::CancelOk::ID => Self::BasicCancelOk(basic::CancelOk::read(reader)?),
            basic::Publish::ID => Self::BasicPublish(basic::Publish::read(reader)?),
            basic::Return::ID => Self::BasicReturn(basic::Return::read(reader)?),
            basic::Deliver::ID => Self::BasicDeliver(basic::Deliver::read(reader)?),
            basic::Get::ID => Self::BasicGet(basic::Get::read(reader)?),
            basic::GetOk::ID => Self::BasicGetOk(basic::GetOk::read(reader)?),
            basic::GetEmpty::ID => Self::BasicGetEmpty(basic::GetEmpty::read(reader)?),
            basic::Ack::ID => Self::BasicAck(basic::Ack::read(reader)?),
            basic::Reject::ID => Self::BasicReject(basic::Reject::read(reader)?),
            basic::RecoverAsync::ID => Self::BasicRecoverAsync(basic::RecoverAsync::read(reader)?),
            basic::Recover::ID => Self::BasicRecover(basic::Recover::read(reader)?),
            basic::RecoverOk::ID => Self::BasicRecoverOk(basic::RecoverOk::read(reader)?),
            basic::Nack::ID => Self::BasicNack(basic::Nack::read(reader)?),
            tx::Select::ID => Self::TxSelect(tx::Select::read(reader)?),
            tx::SelectOk::ID => Self::TxSelectOk(tx::SelectOk::read(reader)?),
            tx::Commit::ID => Self::TxCommit(tx::Commit::read(reader)?),
            tx::CommitOk::ID => Self::TxCommitOk(tx::CommitOk::read(reader)?),
            tx::Rollback::ID => Self::TxRollback(tx::Rollback::read(reader)?),
            tx::RollbackOk::ID => Self::TxRollbackOk(tx::RollbackOk::read(reader)?),
            confirm::Select::ID => Self::ConfirmSelect(confirm::Select::read(reader)?),
            confirm::SelectOk::ID => Self::ConfirmSelectOk(confirm::SelectOk::read(reader)?),
            _ => return Err(Problem::UnknownMethod),
        })
    }

    /// Appends the fields.
    #[inline]
    pub(crate) fn put_fields(&self, buffer: &mut BytesMut) {
        match self {
            Self::ConnectionStart(it) => it.put(buffer),
            Self::ConnectionStartOk(it) => it.put(buffer),
            Self::ConnectionSecure(it) => it.put(buffer),
            Self::ConnectionSecureOk(it) => it.put(buffer),
            Self::ConnectionTune(it) => it.put(buffer),
            Self::ConnectionTuneOk(it) => it.put(buffer),
            Self::ConnectionOpen(it) => it.put(buffer),
            Self::ConnectionOpenOk(it) => it.put(buffer),
            Self::ConnectionClose(it) => it.put(buffer),
            Self::ConnectionCloseOk(it) => it.put(buffer),
            Self::ConnectionBlocked(it) => it.put(buffer),
            Self::ConnectionUnblocked(it) => it.put(buffer),
            Self::ConnectionUpdateSecret(it) => it.put(buffer),
            Self::ConnectionUpdateSecretOk(it) => it.put(buffer),
            Self::ChannelOpen(it) => it.put(buffer),
            Self::ChannelOpenOk(it) => it.put(buffer),
            Self::ChannelFlow(it) => it.put(buffer),
            Self::ChannelFlowOk(it) => it.put(buffer),
            Self::ChannelClose(it) => it.put(buffer),
            Self::ChannelCloseOk(it) => it.put(buffer),
            Self::AccessRequest(it) => it.put(buffer),
            Self::AccessRequestOk(it) => it.put(buffer),
            Self::ExchangeDeclare(it) => it.put(buffer),
            Self::ExchangeDeclareOk(it) => it.put(buffer),
            Self::ExchangeDelete(it) => it.put(buffer),
            Self::ExchangeDeleteOk(it) => it.put(buffer),
            Self::ExchangeBind(it) => it.put(buffer),
            Self::ExchangeBindOk(it) => it.put(buffer),
            Self::ExchangeUnbind(it) => it.put(buffer),
            Self::ExchangeUnbindOk(it) => it.put(buffer),
            Self::QueueDeclare(it) => it.put(buffer),
            Self::QueueDeclareOk(it) => it.put(buffer),
            Self::QueueBind(it) => it.put(buffer),
            Self::QueueBindOk(it) => it.put(buffer),
            Self::QueueUnbind(it) => it.put(buffer),
            Self::QueueUnbindOk(it) => it.put(buffer),
            Self::QueuePurge(it) => it.put(buffer),
            Self::QueuePurgeOk(it) => it.put(buffer),
            Self::QueueDelete(it) => it.put(buffer),
            Self::QueueDeleteOk(it) => it.put(buffer),
            Self::BasicQos(it) => it.put(buffer),
            Self::BasicQosOk(it) => it.put(buffer),
            Self::BasicConsume(it) => it.put(buffer),
            Self::BasicConsumeOk(it) => it.put(buffer),
            Self::BasicCancel(it) => it.put(buffer),
            Self::BasicCancelOk(it) => it.put(buffer),
            Self::BasicPublish(it) => it.put(buffer),
            Self::BasicReturn(it) => it.put(buffer),
            Self::BasicDeliver(it) => it.put(buffer),
            Self::BasicGet(it) => it.put(buffer),
            Self::BasicGetOk(it) => it.put(buffer),
            Self::BasicGetEmpty(it) => it.put(buffer),
            Self::BasicAck(it) => it.put(buffer),
            Self::BasicReject(it) => it.put(buffer),
            Self::BasicRecoverAsync(it) => it.put(buffer),
            Self::BasicRecover(it) => it.put(buffer),
            Self::BasicRecoverOk(it) => it.put(buffer),
            Self::BasicNack(it) => it.put(buffer),
            Self::TxSelect(it) => it.put(buffer),
            Self::TxSelectOk(it) => it.put(buffer),
            Self::TxCommit(it) => it.put(buffer),
            Self::TxCommitOk(it) => it.put(buffer),
            Self::TxRollback(it) => it.put(buffer),
            Self::TxRollbackOk(it) => it.put(buffer),
            Self::ConfirmSelect(it) => it.put(buffer),
            Self::ConfirmSelectOk(it) => it.put(buffer),
        }
    }

    /// Its numbers.
    #[must_use]
    pub const fn id(&self) -> MethodId {
        match self {
            Self::ConnectionStart(_) => connection::Start::ID,
            Self::ConnectionStartOk(_) => connection::StartOk::ID,
            Self::ConnectionSecure(_) => connection::Secure::ID,
            Self::ConnectionSecureOk(_) => connection::SecureOk::ID,
            Self::ConnectionTune(_) => connection::Tune::ID,
            Self::ConnectionTuneOk(_) => connection::TuneOk::ID,
            Self::ConnectionOpen(_) => connection::Open::ID,
            Self::ConnectionOpenOk(_) => connection::OpenOk::ID,
            Self::ConnectionClose(_) => connection::Close::ID,
            Self::ConnectionCloseOk(_) => connection::CloseOk::ID,
            Self::ConnectionBlocked(_) => connection::Blocked::ID,
            Self::ConnectionUnblocked(_) => connection::Unblocked::ID,
            Self::ConnectionUpdateSecret(_) => connection::UpdateSecret::ID,
            Self::ConnectionUpdateSecretOk(_) => connection::UpdateSecretOk::ID,
            Self::ChannelOpen(_) => channel::Open::ID,
            Self::ChannelOpenOk(_) => channel::OpenOk::ID,
            Self::ChannelFlow(_) => channel::Flow::ID,
            Self::ChannelFlowOk(_) => channel::FlowOk::ID,
            Self::ChannelClose(_) => channel::Close::ID,
            Self::ChannelCloseOk(_) => channel::CloseOk::ID,
            Self::AccessRequest(_) => access::Request::ID,
            Self::AccessRequestOk(_) => access::RequestOk::ID,
            Self::ExchangeDeclare(_) => exchange::Declare::ID,
            Self::ExchangeDeclareOk(_) => exchange::DeclareOk::ID,
            Self::ExchangeDelete(_) => exchange::Delete::ID,
            Self::ExchangeDeleteOk(_) => exchange::DeleteOk::ID,
            Self::ExchangeBind(_) => exchange::Bind::ID,
            Self::ExchangeBindOk(_) => exchange::BindOk::ID,
            Self::ExchangeUnbind(_) => exchange::Unbind::ID,
            Self::ExchangeUnbindOk(_) => exchange::UnbindOk::ID,
            Self::QueueDeclare(_) => queue::Declare::ID,
            Self::QueueDeclareOk(_) => queue::DeclareOk::ID,
            Self::QueueBind(_) => queue::Bind::ID,
            Self::QueueBindOk(_) => queue::BindOk::ID,
            Self::QueueUnbind(_) => queue::Unbind::ID,
            Self::QueueUnbindOk(_) => queue::UnbindOk::ID,
            Self::QueuePurge(_) => queue::Purge::ID,
            Self::QueuePurgeOk(_) => queue::PurgeOk::ID,
            Self::QueueDelete(_) => queue::Delete::ID,
            Self::QueueDeleteOk(_) => queue::DeleteOk::ID,
            Self::BasicQos(_) => basic::Qos::ID,
            Self::BasicQosOk(_) => basic::QosOk::ID,
            Self::BasicConsume(_) => basic::Consume::ID,
            Self::BasicConsumeOk(_) => basic::ConsumeOk::ID,
            Self::BasicCancel(_) => basic::Cancel::ID,
            Self::BasicCancelOk(_) => basic::CancelOk::ID,
            Self::BasicPublish(_) => basic::Publish::ID,
            Self::BasicReturn(_) => basic::Return::ID,
            Self::BasicDeliver(_) => basic::Deliver::ID,
            Self::BasicGet(_) => basic::Get::ID,
            Self::BasicGetOk(_) => basic::GetOk::ID,
            Self::BasicGetEmpty(_) => basic::GetEmpty::ID,
            Self::BasicAck(_) => basic::Ack::ID,
            Self::BasicReject(_) => basic::Reject::ID,
            Self::BasicRecoverAsync(_) => basic::RecoverAsync::ID,
            Self::BasicRecover(_) => basic::Recover::ID,
            Self::BasicRecoverOk(_) => basic::RecoverOk::ID,
            Self::BasicNack(_) => basic::Nack::ID,
            Self::TxSelect(_) => tx::Select::ID,
            Self::TxSelectOk(_) => tx::SelectOk::ID,
            Self::TxCommit(_) => tx::Commit::ID,
            Self::TxCommitOk(_) => tx::CommitOk::ID,
            Self::TxRollback(_) => tx::Rollback::ID,
            Self::TxRollbackOk(_) => tx::RollbackOk::ID,
            Self::ConfirmSelect(_) => confirm::Select::ID,
            Self::ConfirmSelectOk(_) => confirm::SelectOk::ID,
        }
    }

    /// Whether a content follows it.
    #[must_use]
    #[inline]
    pub const fn has_content(&self) -> bool {
        matches!(
            self,
            Self::BasicPublish(_)
                | Self::BasicReturn(_)
                | Self::BasicDeliver(_)
                | Self::BasicGetOk(_)
        )
    }

    /// Whether that side may send it.
    #[must_use]
    #[inline]
    pub const fn may_come_from(&self, side: Side) -> bool {
        match self {
            Self::ConnectionClose(_)
            | Self::ConnectionCloseOk(_)
            | Self::ConnectionBlocked(_)
            | Self::ConnectionUnblocked(_)
            | Self::ChannelFlow(_)
            | Self::ChannelFlowOk(_)
            | Self::ChannelClose(_)
            | Self::ChannelCloseOk(_)
            | Self::BasicCancel(_)
            | Self::BasicCancelOk(_)
            | Self::BasicAck(_)
            | Self::BasicNack(_) => true,
            Self::ConnectionStartOk(_)
            | Self::ConnectionSecureOk(_)
            | Self::ConnectionTuneOk(_)
            | Self::ConnectionOpen(_)
            | Self::ConnectionUpdateSecret(_)
            | Self::ChannelOpen(_)
            | Self::AccessRequest(_)
            | Self::ExchangeDeclare(_)
            | Self::ExchangeDelete(_)
            | Self::ExchangeBind(_)
            | Self::ExchangeUnbind(_)
            | Self::QueueDeclare(_)
            | Self::QueueBind(_)
            | Self::QueueUnbind(_)
            | Self::QueuePurge(_)
            | Self::QueueDelete(_)
            | Self::BasicQos(_)
            | Self::BasicConsume(_)
            | Self::BasicPublish(_)
            | Self::BasicGet(_)
            | Self::BasicReject(_)
            | Self::BasicRecoverAsync(_)
            | Self::BasicRecover(_)
            | Self::TxSelect(_)
            | Self::TxCommit(_)
            | Self::TxRollback(_)
            | Self::ConfirmSelect(_) => matches!(side, Side::Client),
            Self::ConnectionStart(_)
            | Self::ConnectionSecure(_)
            | Self::ConnectionTune(_)
            | Self::ConnectionOpenOk(_)
            | Self::ConnectionUpdateSecretOk(_)
            | Self::ChannelOpenOk(_)
            | Self::AccessRequestOk(_)
            | Self::ExchangeDeclareOk(_)
            | Self::ExchangeDeleteOk(_)
            | Self::ExchangeBindOk(_)
            | Self::ExchangeUnbindOk(_)
            | Self::QueueDeclareOk(_)
            | Self::QueueBindOk(_)
            | Self::QueueUnbindOk(_)
            | Self::QueuePurgeOk(_)
            | Self::QueueDeleteOk(_)
            | Self::BasicQosOk(_)
            | Self::BasicConsumeOk(_)
            | Self::BasicReturn(_)
            | Self::BasicDeliver(_)
            | Self::BasicGetOk(_)
            | Self::BasicGetEmpty(_)
            | Self::BasicRecoverOk(_)
            | Self::TxSelectOk(_)
            | Self::TxCommitOk(_)
            | Self::TxRollbackOk(_)
            | Self::ConfirmSelectOk(_) => matches!(side, Side::Server),
        }
    }
}

/// The name of the method with these numbers.
pub(crate) const fn name_of(id: MethodId) -> Option<&'static str> {
    Some(match id {
        connection::Start::ID => "connection.start",
        connection::StartOk::ID => "connection.start-ok",
        connection::Secure::ID => "connection.secure",
        connection::SecureOk::ID => "connection.secure-ok",
        connection::Tune::ID => "connection.tune",
        connection::TuneOk::ID => "connection.tune-ok",
        connection::Open::ID => "connection.open",
        connection::OpenOk::ID => "connection.open-ok",
        connection::Close::ID => "connection.close",
        connection::CloseOk::ID => "connection.close-ok",
        connection::Blocked::ID => "connection.blocked",
        connection::Unblocked::ID => "connection.unblocked",
        connection::UpdateSecret::ID => "connection.update-secret",
        connection::UpdateSecretOk::ID => "connection.update-secret-ok",
        channel::Open::ID => "channel.open",
        channel::OpenOk::ID => "channel.open-ok",
        channel::Flow::ID => "channel.flow",
        channel::FlowOk::ID => "channel.flow-ok",
        channel::Close::ID => "channel.close",
        channel::CloseOk::ID => "channel.close-ok",
        access::Request::ID => "access.request",
        access::RequestOk::ID => "access.request-ok",
        exchange::Declare::ID => "exchange.declare",
        exchange::DeclareOk::ID => "exchange.declare-ok",
        exchange::Delete::ID => "exchange.delete",
        exchange::DeleteOk::ID => "exchange.delete-ok",
        exchange::Bind::ID => "exchange.bind",
        exchange::BindOk::ID => "exchange.bind-ok",
        exchange::Unbind::ID => "exchange.unbind",
        exchange::UnbindOk::ID => "exchange.unbind-ok",
        queue::Declare::ID => "queue.declare",
        queue::DeclareOk::ID => "queue.declare-ok",
        queue::Bind::ID => "queue.bind",
        queue::BindOk::ID => "queue.bind-ok",
        queue::Unbind::ID => "queue.unbind",
        queue::UnbindOk::ID => "queue.unbind-ok",
        queue::Purge::ID => "queue.purge",
        queue::PurgeOk::ID => "queue.purge-ok",
        queue::Delete::ID => "queue.delete",
        queue::DeleteOk::ID => "queue.delete-ok",
        basic::Qos::ID => "basic.qos",
        basic::QosOk::ID => "basic.qos-ok",
        basic::Consume::ID => "basic.consume",
        basic::ConsumeOk::ID => "basic.consume-ok",
        basic::Cancel::ID => "basic.cancel",
        basic::CancelOk::ID => "basic.cancel-ok",
        basic::Publish::ID => "basic.publish",
        basic::Return::ID => "basic.return",
        basic::Deliver::ID => "basic.deliver",
        basic::Get::ID => "basic.get",
        basic::GetOk::ID => "basic.get-ok",
        basic::GetEmpty::ID => "basic.get-empty",
        basic::Ack::ID => "basic.ack",
        basic::Reject::ID => "basic.reject",
        basic::RecoverAsync::ID => "basic.recover-async",
        basic::Recover::ID => "basic.recover",
        basic::RecoverOk::ID => "basic.recover-ok",
        basic::Nack::ID => "basic.nack",
        tx::Select::ID => "tx.select",
        tx::SelectOk::ID => "tx.select-ok",
        tx::Commit::ID => "tx.commit",
        tx::CommitOk::ID => "tx.commit-ok",
        tx::Rollback::ID => "tx.rollback",
        tx::RollbackOk::ID => "tx.rollback-ok",
        confirm::Select::ID => "confirm.select",
        confirm::SelectOk::ID => "confirm.select-ok",
        _ => return None,
    })
}
