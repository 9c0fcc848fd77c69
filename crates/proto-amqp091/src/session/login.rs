//! The mechanisms by which a client shows who it is.

use super::failure::Failure;
use crate::{FieldValue, MethodId, ReplyCode, ShortStr, Table, connection};
use broker_api::Authenticate;

/// The mechanisms there are, as `connection.start` tells them.
pub(super) const MECHANISMS: &[u8] = b"PLAIN AMQPLAIN";

/// How the broker calls the mechanism that shows a password.
const PLAIN: &[u8] = b"PLAIN";

/// What a `connection.start-ok` asks of the broker.
pub(super) fn authenticate(
    mechanism: ShortStr<'_>,
    response: &[u8],
) -> Result<Authenticate, Failure> {
    match mechanism.as_bytes() {
        b"PLAIN" => Ok(plain(response.to_vec())),
        b"AMQPLAIN" => amqplain(response),
        _ => Err(Failure::new(
            ReplyCode::CommandInvalid,
            METHOD,
            format_args!("unknown authentication mechanism '{mechanism}'"),
        )),
    }
}

/// The same user with another password.
pub(super) fn with_secret(user: &[u8], secret: &[u8]) -> Authenticate {
    plain([b"\0", user, b"\0", secret].concat())
}

/// Who a response of PLAIN names; nobody if it is none.
pub(super) fn user_of(authenticate: &Authenticate) -> &[u8] {
    match authenticate {
        Authenticate::Begin {
            data: Some(data), ..
        } => data.split(|octet| *octet == 0).nth(1).unwrap_or_default(),
        Authenticate::Vouched { user } => user.as_bytes(),
        Authenticate::Begin { data: None, .. } | Authenticate::Continue { .. } => &[],
    }
}

const METHOD: MethodId = connection::StartOk::ID;

fn plain(data: Vec<u8>) -> Authenticate {
    Authenticate::Begin {
        mechanism: PLAIN.into(),
        data: Some(data),
    }
}

/// A table with LOGIN and PASSWORD, its length not included. To the broker it is a login like PLAIN's.
fn amqplain(response: &[u8]) -> Result<Authenticate, Failure> {
    let failed = |text: &str| Failure::new(ReplyCode::SyntaxError, METHOD, text);
    let table = Table::new(response)
        .map_err(|problem| failed(&format!("the AMQPLAIN response {problem}")))?;
    let text = |name: &str| match table.find(name.as_bytes()) {
        // PLAIN separates what it has by such an octet.
        Some(FieldValue::LongString(text)) if !text.contains(&0) => Ok(text),
        _ => Err(failed(&format!(
            "AMQPLAIN auth info: no text under '{name}'"
        ))),
    };
    Ok(with_secret(text("LOGIN")?, text("PASSWORD")?))
}
