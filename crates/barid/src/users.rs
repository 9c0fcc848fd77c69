//! The users in their file.

use crate::entropy;
use anyhow::{Context as _, ensure};
use auth::{Decoys, ScramCredentials, UserChange, UserError, Users};
use broker::UserKeeper;
use data_encoding::BASE64;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tracing::warn;

/// What is written.
const FORMAT: u32 = 1;

/// Who may read and write the file: the user that runs the broker.
const MODE: u32 = 0o600;

/// What of a file's mode is for others.
const MODE_OF_OTHERS: u32 = 0o077;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The file that holds the users. It is what counts: every change reads it, and writes it anew as a whole, while
/// nobody else does.
#[derive(Clone, Debug)]
pub(crate) struct UsersFile {
    path: PathBuf,
}

/// What stands in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    /// What decoys are made of: 32 bytes in base64.
    decoy_secret: String,
    users: Vec<User>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    /// `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, in base64.
    credentials: String,
}

/// The users with what decoys are made of.
struct Kept {
    secret: [u8; 32],
    users: Users,
}

impl UsersFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The users that stand there; nobody if there is no file.
    pub(crate) fn users(&self) -> anyhow::Result<Users> {
        Ok(self.read()?.users)
    }

    /// Makes a change for good.
    pub(crate) fn change(&self, change: UserChange) -> anyhow::Result<Users> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = File::open(folder).with_context(|| self.failed("open the folder of"))?;
        // Gone with the descriptor.
        flock(&folder, FlockOperation::LockExclusive).with_context(|| self.failed("lock"))?;
        let mut kept = self.read()?;
        kept.users.apply(change)?;
        self.write(&kept, &folder)
            .with_context(|| self.failed("write"))?;
        Ok(kept.users)
    }

    fn failed(&self, what: &str) -> String {
        format!("cannot {what} {}", self.path.display())
    }

    fn read(&self) -> anyhow::Result<Kept> {
        let metadata = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = entropy::draw();
                let users = Users::new(Decoys::new(secret));
                return Ok(Kept { secret, users });
            }
            metadata => metadata.with_context(|| self.failed("read"))?,
        };
        if metadata.mode() & MODE_OF_OTHERS != 0 {
            let path = self.path.display();
            warn!("{path} is not for its owner alone: what stands there is as secret as passwords");
        }
        ensure!(
            metadata.len() <= FILE_BYTES_MAX,
            "{} is longer than {FILE_BYTES_MAX} bytes",
            self.path.display()
        );
        let text = fs::read_to_string(&self.path).with_context(|| self.failed("read"))?;
        kept(&text).with_context(|| format!("{} is no file of users", self.path.display()))
    }

    /// Writes it beside and moves it there, so that a reader finds the one or the other, also after a crash.
    fn write(&self, kept: &Kept, folder: &File) -> std::io::Result<()> {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let part = path.with_extension("json.part");
        let users = kept.users.iter().map(|(name, credentials)| User {
            name: name.to_owned(),
            credentials: credentials.to_text(),
        });
        let content = Content {
            format: FORMAT,
            decoy_secret: BASE64.encode(&kept.secret),
            users: users.collect(),
        };
        let text = serde_json::to_string_pretty(&content)?;
        // One that a crash has left may have another mode.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&part)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        folder.sync_all()
    }
}

fn kept(text: &str) -> anyhow::Result<Kept> {
    let content: Content = serde_json::from_str(text)?;
    ensure!(
        content.format == FORMAT,
        "it has format {}, {FORMAT} is known",
        content.format
    );
    let secret = BASE64.decode(content.decoy_secret.as_bytes());
    let secret = secret.ok().and_then(|it| <[u8; 32]>::try_from(it).ok());
    let secret = secret.context("decoy_secret is 32 bytes in base64")?;
    let mut users = Users::new(Decoys::new(secret));
    for User { name, credentials } in content.users {
        let credentials = credentials.parse::<ScramCredentials>();
        let credentials = credentials.with_context(|| format!("the user '{name}'"))?;
        let name = name.into();
        let replace = false;
        users.apply(UserChange::Put {
            name,
            credentials,
            replace,
        })?;
    }
    Ok(Kept { secret, users })
}

impl UserKeeper for UsersFile {
    fn change(&mut self, change: UserChange) -> Result<Users, UserError> {
        Self::change(self, change).map_err(|error| match error.downcast::<UserError>() {
            Ok(refused) => refused,
            Err(failed) => UserError::NotKept(format!("{failed:#}").into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(name: &str, replace: bool) -> UserChange {
        let credentials = ScramCredentials::from_password("pencil", &[1; 16], 4_096);
        UserChange::Put {
            name: name.into(),
            credentials: credentials.unwrap(),
            replace,
        }
    }

    fn names(users: &Users) -> Vec<String> {
        users.iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn changes_are_kept_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/users.json");
        let file = UsersFile::new(path.clone());
        assert!(names(&file.users().unwrap()).is_empty());
        assert!(!path.exists(), "reading makes nothing");
        file.change(put("ada", false)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("pencil"), "{text}");
        // Also where somebody has let others read it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&path, open).unwrap();
        let users = file.change(put("bob", false)).unwrap();
        assert_eq!(names(&users), ["ada", "bob"]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = UsersFile::new(path.clone()).users().unwrap();
        assert_eq!(names(&again), ["ada", "bob"]);
        assert!(again.get("ada").unwrap().is_password("pencil"));
        // The same decoy as before.
        assert_eq!(again.or_decoy("x"), users.or_decoy("x"));
        let refused = file.change(put("ada", false)).unwrap_err();
        assert_eq!(refused.to_string(), "there is a user 'ada'");
        let users = file.change(UserChange::Delete { name: "ada".into() });
        assert_eq!(names(&users.unwrap()), ["bob"]);
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_file_that_is_none_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let secret = BASE64.encode(&[1; 32]);
        let weak = "SCRAM-SHA-256$4095:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\
            :AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let rows = [
            ("{".to_owned(), "EOF"),
            ("{}".to_owned(), "missing field"),
            (
                r#"{"format":2,"decoy_secret":"","users":[]}"#.to_owned(),
                "format 2",
            ),
            (
                r#"{"format":1,"decoy_secret":"AA==","users":[]}"#.to_owned(),
                "decoy_secret",
            ),
            (
                format!(
                    r#"{{"format":1,"decoy_secret":"{secret}","users":[{{"name":"ada","password":"x"}}]}}"#
                ),
                "unknown field `password`",
            ),
            (
                format!(
                    r#"{{"format":1,"decoy_secret":"{secret}","users":[{{"name":"ada","credentials":"{weak}"}}]}}"#
                ),
                "4095 iterations",
            ),
        ];
        for (text, part) in rows {
            fs::write(&path, &text).unwrap();
            let file = UsersFile::new(path.clone());
            let errors = [file.users().err(), file.change(put("bob", true)).err()];
            for error in errors {
                let error = format!("{:#}", error.unwrap());
                assert!(
                    error.contains(part) && error.contains("users.json"),
                    "{error}"
                );
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
