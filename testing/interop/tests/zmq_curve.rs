//! CURVE between the broker and sockets, with the keys in a file: those of `barid-zmq`, and libzmq's as pyzmq has them.

use anyhow::{Result, ensure};
use barid_zmq::{
    Context, MonitorEvent, PublicKey, Pull, Push, SecretKey, SocketBuilder, curve_keypair, kinds,
};
use client::Broker;
use interop::{ClientKind, Stage};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

/// Never waited out when all is well.
const LONG: Duration = Duration::from_secs(60);

fn write_keys(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn start(folder: &Path, keys: &Path) -> Result<Broker> {
    let keys = keys.display().to_string();
    let args = [
        "--zmtp",
        "127.0.0.1:0",
        "--zmtp-curve-required",
        "true",
        "--zmtp-curve-file",
        &keys,
    ];
    Broker::start_with(&folder.join("data"), &args)
}

/// What comes of an attempt to connect.
fn is_let_in(builder: SocketBuilder<kinds::Push>, endpoint: &str) -> Result<(Push, bool)> {
    let push = builder.reconnect(None).build();
    let mut events = push.monitor();
    push.connect(endpoint)?;
    // Over loopback that is soon.
    let event = loop {
        match events.try_next() {
            None | Some(MonitorEvent::Connected { .. }) => std::thread::yield_now(),
            Some(other) => break other,
        }
    };
    let is_let_in = matches!(event, MonitorEvent::HandshakeSucceeded { .. });
    Ok((push, is_let_in))
}

fn client(server_key: PublicKey, secret_key: SecretKey) -> SocketBuilder<kinds::Push> {
    Push::builder(&Context::new()).curve_client(server_key, secret_key)
}

#[test]
fn sockets_are_let_in_by_their_keys() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    let (server_key, server_secret) = curve_keypair()?;
    let (_, secret) = curve_keypair()?;
    write_keys(&keys, &format!("secret {}\n", *server_secret.to_z85()))?;
    let broker = start(folder.path(), &keys)?;
    let endpoint = format!("tcp://{}", broker.listener("zmtp")?);
    let (push, is_in) = is_let_in(client(server_key, secret.clone()), &endpoint)?;
    ensure!(is_in, "any key will do");
    // A PULL says nothing behind its handshake.
    let pull = Pull::builder(&Context::new())
        .curve_client(server_key, secret.clone())
        .build();
    pull.connect(&endpoint)?;
    push.blocking().send_timeout("hello", LONG)?;
    ensure!(pull.blocking().recv_timeout(LONG)? == "hello".into());
    let another = secret.public_key();
    for (what, builder) in [
        ("another broker's key", client(another, secret)),
        ("no key", Push::builder(&Context::new())),
    ] {
        let (_push, is_in) = is_let_in(builder, &endpoint)?;
        ensure!(!is_in, "{what}");
    }
    Ok(())
}

#[test]
fn only_listed_keys_of_users_are_let_in() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    let (server_key, server_secret) = curve_keypair()?;
    let (listed, secret) = curve_keypair()?;
    let (_, stranger) = curve_keypair()?;
    let text = format!(
        "secret {}\nclient {} nobody\n",
        *server_secret.to_z85(),
        listed.to_z85()
    );
    write_keys(&keys, &text)?;
    let broker = start(folder.path(), &keys)?;
    let endpoint = format!("tcp://{}", broker.listener("zmtp")?);
    for (what, secret) in [("a stranger", stranger), ("of a user that is not", secret)] {
        let (_push, is_in) = is_let_in(client(server_key, secret), &endpoint)?;
        ensure!(!is_in, "{what}");
    }
    Ok(())
}

#[test]
fn keys_that_others_can_read_are_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    let (_, secret) = curve_keypair()?;
    write_keys(&keys, &format!("secret {}\n", *secret.to_z85()))?;
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644))?;
    let started = start(folder.path(), &keys);
    ensure!(started.is_err(), "it was started");
    Ok(())
}

/// The keys of libzmq's own test: the broker's, and a client's that is a user.
const KEYS: &str = "secret JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\nclient Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID anna\n";

/// Runs a case of pyzmq against a broker that speaks nothing but CURVE.
fn pyzmq(case: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    write_keys(&keys, KEYS)?;
    let settings = format!(
        "[listen]\nzmtp = \"127.0.0.1:0/jobs,127.0.0.1:0/requests\"\n[zmtp]\ncurve_required = true\ncurve_file = \"{}\"\n",
        keys.display()
    );
    let stage = Stage::with_settings(&settings)?;
    stage.admin_with(&["user", "add", "anna"], "pencil\n")?;
    stage.run(ClientKind::Crossing, case, "curve")
}

#[test]
fn a_pull_of_libzmq_takes_what_a_push_sent_by_keys() -> Result<()> {
    pyzmq("zmq_curve_queues")
}

#[test]
fn a_sub_of_libzmq_hears_a_pub_by_keys() -> Result<()> {
    pyzmq("zmq_curve_topics")
}

#[test]
fn a_rep_of_libzmq_answers_a_req_by_keys() -> Result<()> {
    pyzmq("zmq_curve_requests")
}

#[test]
fn what_sockets_of_libzmq_send_by_keys_crosses() -> Result<()> {
    pyzmq("zmq_curve_crosses")
}

#[test]
fn sockets_of_libzmq_without_the_right_keys_are_refused() -> Result<()> {
    pyzmq("zmq_curve_strangers")
}
