//! The keys of CURVE in their file.
//!
//! ```text
//! # a comment
//! secret KEY              the broker's, once
//! client KEY USER         the public key of a client, and the user that its owner is; any number of them
//! ```

use anyhow::{Context as _, bail, ensure};
use proto_zmq::{Curve, PublicKey, SecretKey};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What of a file's mode is for others.
const MODE_OF_OTHERS: u32 = 0o077;

/// Reads the keys, if there is to be a file of them.
pub(crate) fn read(settings: &config::Zmtp) -> anyhow::Result<Option<Curve>> {
    let path = &settings.curve_file;
    if path.as_os_str().is_empty() {
        ensure!(
            !settings.curve_required,
            "zmtp.curve_required needs zmtp.curve_file"
        );
        return Ok(None);
    }
    let text = text(path).with_context(|| format!("cannot read {}", path.display()))?;
    let curve = parse(&text, settings.curve_required);
    curve.with_context(|| path.display().to_string()).map(Some)
}

fn text(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    ensure!(
        metadata.mode() & MODE_OF_OTHERS == 0,
        "it must be for its owner alone (mode 600): it holds a secret key"
    );
    ensure!(
        metadata.len() <= FILE_BYTES_MAX,
        "it is longer than {FILE_BYTES_MAX} bytes"
    );
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str, is_required: bool) -> anyhow::Result<Curve> {
    let mut secret_key = None;
    let mut users = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let at = || format!("line {number}");
        match word {
            "secret" => {
                let key = SecretKey::from_z85(rest.trim()).with_context(at)?;
                let former = secret_key.replace(key);
                ensure!(former.is_none(), "line {number}: a second secret key");
            }
            "client" => {
                let (key, user) = rest.trim().split_once(' ').unwrap_or((rest, ""));
                let key = PublicKey::from_z85(key).with_context(at)?;
                let user = user.trim();
                ensure!(!user.is_empty(), "line {number}: no user behind the key");
                let former = users.insert(key, user.into());
                ensure!(former.is_none(), "line {number}: a key that was there");
            }
            _ => bail!("line {number} begins with neither 'secret' nor 'client'"),
        }
    }
    Ok(Curve {
        secret_key: secret_key.context("there is no secret key")?,
        users,
        is_required,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
    const CLIENT: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

    #[test]
    fn a_file_has_a_secret_key_and_clients() {
        let text = format!("# keys\n\nsecret {SECRET}\n client {CLIENT}  anna of x \n");
        let curve = parse(&text, true).unwrap();
        assert!(curve.is_required);
        assert_eq!(curve.secret_key, SecretKey::from_z85(SECRET).unwrap());
        let users: Vec<_> = curve.users.iter().collect();
        let key = PublicKey::from_z85(CLIENT).unwrap();
        assert_eq!(users, [(&key, &"anna of x".into())]);
        let rows = [
            String::new(),
            format!("client {CLIENT} anna"),
            format!("secret {CLIENT}\nsecret {SECRET}"),
            format!("secret {SECRET}\nclient {CLIENT}"),
            format!("secret {SECRET}\nclient {CLIENT} a\nclient {CLIENT} b"),
            "secret x".to_owned(),
            format!("public {CLIENT}"),
        ];
        for text in rows {
            assert!(parse(&text, false).is_err(), "{text}");
        }
    }
}
