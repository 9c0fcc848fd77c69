//! Reason codes of MQTT 5.0, one type per use, and CONNACK's return codes of 3.1 and 3.1.1.
//!
//! All versions have the same types: what a 3.x packet says is the reason that means it, and a 3.x
//! packet is written with what comes nearest.

use std::fmt;

/// Defines the reason codes of one use: `Variant = code "the specification's name"`.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!($text, ".")]
                $variant = $code,
            )+
        }

        impl $name {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The reason with this code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// As the specification calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Whether it tells of a failure.
            #[must_use]
            pub const fn is_error(self) -> bool {
                self.code() >= 0x80
            }
        }

        impl Reason for $name {
            fn from_code(code: u8) -> Option<Self> {
                Self::from_code(code)
            }

            fn code(self) -> u8 {
                self.code()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} (0x{:02X})", self.name(), self.code())
            }
        }
    };
}

/// A set of reason codes.
pub trait Reason: Copy + fmt::Debug + Eq {
    /// The reason with this code.
    fn from_code(code: u8) -> Option<Self>;

    /// The code on the wire.
    fn code(self) -> u8;
}

reasons! {
    /// What CONNACK says.
    ConnackReason {
        Success = 0x00 "Success",
        UnspecifiedError = 0x80 "Unspecified error",
        MalformedPacket = 0x81 "Malformed Packet",
        ProtocolError = 0x82 "Protocol Error",
        ImplementationSpecificError = 0x83 "Implementation specific error",
        UnsupportedProtocolVersion = 0x84 "Unsupported Protocol Version",
        ClientIdentifierNotValid = 0x85 "Client Identifier not valid",
        BadUserNameOrPassword = 0x86 "Bad User Name or Password",
        NotAuthorized = 0x87 "Not authorized",
        ServerUnavailable = 0x88 "Server unavailable",
        ServerBusy = 0x89 "Server busy",
        Banned = 0x8A "Banned",
        BadAuthenticationMethod = 0x8C "Bad authentication method",
        TopicNameInvalid = 0x90 "Topic Name invalid",
        PacketTooLarge = 0x95 "Packet too large",
        QuotaExceeded = 0x97 "Quota exceeded",
        PayloadFormatInvalid = 0x99 "Payload format invalid",
        RetainNotSupported = 0x9A "Retain not supported",
        QosNotSupported = 0x9B "QoS not supported",
        UseAnotherServer = 0x9C "Use another server",
        ServerMoved = 0x9D "Server moved",
        ConnectionRateExceeded = 0x9F "Connection rate exceeded",
    }
}

reasons! {
    /// What PUBACK and PUBREC say.
    PublishReason {
        Success = 0x00 "Success",
        NoMatchingSubscribers = 0x10 "No matching subscribers",
        UnspecifiedError = 0x80 "Unspecified error",
        ImplementationSpecificError = 0x83 "Implementation specific error",
        NotAuthorized = 0x87 "Not authorized",
        TopicNameInvalid = 0x90 "Topic Name invalid",
        PacketIdentifierInUse = 0x91 "Packet Identifier in use",
        QuotaExceeded = 0x97 "Quota exceeded",
        PayloadFormatInvalid = 0x99 "Payload format invalid",
    }
}

reasons! {
    /// What PUBREL and PUBCOMP say.
    ReleaseReason {
        Success = 0x00 "Success",
        PacketIdentifierNotFound = 0x92 "Packet Identifier not found",
    }
}

reasons! {
    /// What SUBACK says of each filter. 3.1.1 knows those up to QoS 2 and 0x80; 3.1 knows no
    /// failure, and is told 0x80 like 3.1.1.
    SubscribeReason {
        GrantedQos0 = 0x00 "Granted QoS 0",
        GrantedQos1 = 0x01 "Granted QoS 1",
        GrantedQos2 = 0x02 "Granted QoS 2",
        UnspecifiedError = 0x80 "Unspecified error",
        ImplementationSpecificError = 0x83 "Implementation specific error",
        NotAuthorized = 0x87 "Not authorized",
        TopicFilterInvalid = 0x8F "Topic Filter invalid",
        PacketIdentifierInUse = 0x91 "Packet Identifier in use",
        QuotaExceeded = 0x97 "Quota exceeded",
        SharedSubscriptionsNotSupported = 0x9E "Shared Subscriptions not supported",
        SubscriptionIdentifiersNotSupported = 0xA1 "Subscription Identifiers not supported",
        WildcardSubscriptionsNotSupported = 0xA2 "Wildcard Subscriptions not supported",
    }
}

reasons! {
    /// What UNSUBACK says of each filter, in 5.0.
    UnsubscribeReason {
        Success = 0x00 "Success",
        NoSubscriptionExisted = 0x11 "No subscription existed",
        UnspecifiedError = 0x80 "Unspecified error",
        ImplementationSpecificError = 0x83 "Implementation specific error",
        NotAuthorized = 0x87 "Not authorized",
        TopicFilterInvalid = 0x8F "Topic Filter invalid",
        PacketIdentifierInUse = 0x91 "Packet Identifier in use",
    }
}

reasons! {
    /// What DISCONNECT says, in 5.0; in 3.x it always means a normal one.
    DisconnectReason {
        NormalDisconnection = 0x00 "Normal disconnection",
        DisconnectWithWillMessage = 0x04 "Disconnect with Will Message",
        UnspecifiedError = 0x80 "Unspecified error",
        MalformedPacket = 0x81 "Malformed Packet",
        ProtocolError = 0x82 "Protocol Error",
        ImplementationSpecificError = 0x83 "Implementation specific error",
        NotAuthorized = 0x87 "Not authorized",
        ServerBusy = 0x89 "Server busy",
        ServerShuttingDown = 0x8B "Server shutting down",
        KeepAliveTimeout = 0x8D "Keep Alive timeout",
        SessionTakenOver = 0x8E "Session taken over",
        TopicFilterInvalid = 0x8F "Topic Filter invalid",
        TopicNameInvalid = 0x90 "Topic Name invalid",
        ReceiveMaximumExceeded = 0x93 "Receive Maximum exceeded",
        TopicAliasInvalid = 0x94 "Topic Alias invalid",
        PacketTooLarge = 0x95 "Packet too large",
        MessageRateTooHigh = 0x96 "Message rate too high",
        QuotaExceeded = 0x97 "Quota exceeded",
        AdministrativeAction = 0x98 "Administrative action",
        PayloadFormatInvalid = 0x99 "Payload format invalid",
        RetainNotSupported = 0x9A "Retain not supported",
        QosNotSupported = 0x9B "QoS not supported",
        UseAnotherServer = 0x9C "Use another server",
        ServerMoved = 0x9D "Server moved",
        SharedSubscriptionsNotSupported = 0x9E "Shared Subscriptions not supported",
        ConnectionRateExceeded = 0x9F "Connection rate exceeded",
        MaximumConnectTime = 0xA0 "Maximum connect time",
        SubscriptionIdentifiersNotSupported = 0xA1 "Subscription Identifiers not supported",
        WildcardSubscriptionsNotSupported = 0xA2 "Wildcard Subscriptions not supported",
    }
}

reasons! {
    /// What AUTH says.
    AuthReason {
        Success = 0x00 "Success",
        ContinueAuthentication = 0x18 "Continue authentication",
        ReAuthenticate = 0x19 "Re-authenticate",
    }
}

reasons! {
    /// What is told of input that breaks the protocol: the reasons that a codec's errors map to.
    ViolationReason {
        MalformedPacket = 0x81 "Malformed Packet",
        ProtocolError = 0x82 "Protocol Error",
        UnsupportedProtocolVersion = 0x84 "Unsupported Protocol Version",
        ClientIdentifierNotValid = 0x85 "Client Identifier not valid",
        TopicFilterInvalid = 0x8F "Topic Filter invalid",
        TopicNameInvalid = 0x90 "Topic Name invalid",
        TopicAliasInvalid = 0x94 "Topic Alias invalid",
        PacketTooLarge = 0x95 "Packet too large",
        QuotaExceeded = 0x97 "Quota exceeded",
    }
}

impl ConnackReason {
    /// The return code of 3.1 and 3.1.1 that says it or comes nearest; none if the connection is to
    /// be closed without a CONNACK. [MQTT-3.2.2-6] of 3.1.1
    #[must_use]
    pub const fn return_code(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdentifierNotValid => Some(2),
            Self::UnspecifiedError
            | Self::ImplementationSpecificError
            | Self::ServerUnavailable
            | Self::ServerBusy
            | Self::QuotaExceeded
            | Self::UseAnotherServer
            | Self::ServerMoved
            | Self::ConnectionRateExceeded => Some(3),
            Self::BadUserNameOrPassword => Some(4),
            Self::NotAuthorized | Self::Banned | Self::BadAuthenticationMethod => Some(5),
            Self::MalformedPacket
            | Self::ProtocolError
            | Self::TopicNameInvalid
            | Self::PacketTooLarge
            | Self::PayloadFormatInvalid
            | Self::RetainNotSupported
            | Self::QosNotSupported => None,
        }
    }

    /// What a return code of 3.1 and 3.1.1 means.
    #[must_use]
    pub const fn from_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }
}

impl SubscribeReason {
    /// The code in a SUBACK of 3.1 and 3.1.1.
    #[must_use]
    pub const fn return_code(self) -> u8 {
        if self.is_error() { 0x80 } else { self.code() }
    }
}

impl From<ViolationReason> for ConnackReason {
    fn from(reason: ViolationReason) -> Self {
        Self::from_code(reason.code()).unwrap_or(Self::ProtocolError)
    }
}

impl From<ViolationReason> for DisconnectReason {
    fn from(reason: ViolationReason) -> Self {
        Self::from_code(reason.code()).unwrap_or(Self::ProtocolError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code of a use, to be compared with the specification's table.
    fn codes<R: Reason>() -> Vec<u8> {
        let reasons = (0..=255).filter_map(R::from_code);
        reasons.map(Reason::code).collect()
    }

    #[test]
    fn the_codes_of_each_use_are_those_of_its_table() {
        assert_eq!(
            codes::<ConnackReason>(),
            [
                0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
                0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F
            ]
        );
        assert_eq!(
            codes::<PublishReason>(),
            [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
        );
        assert_eq!(codes::<ReleaseReason>(), [0x00, 0x92]);
        assert_eq!(
            codes::<SubscribeReason>(),
            [
                0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2
            ]
        );
        assert_eq!(
            codes::<UnsubscribeReason>(),
            [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]
        );
        assert_eq!(
            codes::<DisconnectReason>(),
            [
                0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93,
                0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1,
                0xA2
            ]
        );
        assert_eq!(codes::<AuthReason>(), [0x00, 0x18, 0x19]);
    }

    #[test]
    fn one_code_has_one_name_but_for_what_success_is_called() {
        let mut names = std::collections::BTreeMap::new();
        let mut check = |code: u8, name: &'static str| {
            if code > 2 {
                assert_eq!(*names.entry(code).or_insert(name), name, "{code:#x}");
            }
        };
        ConnackReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        PublishReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        ReleaseReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        SubscribeReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        UnsubscribeReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        DisconnectReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        AuthReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        ViolationReason::ALL
            .iter()
            .for_each(|it| check(it.code(), it.name()));
        assert_eq!(names.len(), 40);
    }

    #[test]
    fn return_codes_are_read_as_they_are_written() {
        for code in 0..=5 {
            let reason = ConnackReason::from_return_code(code).unwrap();
            assert_eq!(reason.return_code(), Some(code));
        }
        assert_eq!(ConnackReason::from_return_code(6), None);
        assert_eq!(ConnackReason::Banned.return_code(), Some(5));
        assert_eq!(ConnackReason::MalformedPacket.return_code(), None);
        assert_eq!(SubscribeReason::NotAuthorized.return_code(), 0x80);
        assert_eq!(SubscribeReason::GrantedQos2.return_code(), 2);
        assert_eq!(
            DisconnectReason::PacketTooLarge.to_string(),
            "Packet too large (0x95)"
        );
    }

    #[test]
    fn violations_are_told_by_what_there_is() {
        let rows = [
            (
                ViolationReason::PacketTooLarge,
                ConnackReason::PacketTooLarge,
                DisconnectReason::PacketTooLarge,
            ),
            (
                ViolationReason::ClientIdentifierNotValid,
                ConnackReason::ClientIdentifierNotValid,
                DisconnectReason::ProtocolError,
            ),
            (
                ViolationReason::TopicAliasInvalid,
                ConnackReason::ProtocolError,
                DisconnectReason::TopicAliasInvalid,
            ),
        ];
        for (violation, connack, disconnect) in rows {
            assert_eq!(ConnackReason::from(violation), connack);
            assert_eq!(DisconnectReason::from(violation), disconnect);
        }
    }
}
