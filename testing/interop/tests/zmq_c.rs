//! `libbarid_zmq_c` in libzmq's place: pyzmq with it speaks with pyzmq with libzmq, pyzmq's own tests pass on it, and a
//! program in C says the same with either.

use anyhow::{Context as _, Result, ensure};
use client::{target_dir, zmq_library};
use interop::{ClientKind, Script, installed, pyzmq_script};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

const TRANSPORTS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

/// pyzmq's tests that are not run.
const DESELECTED: [&str; 4] = [
    // They check types and build other packages.
    "--ignore=tests/test_mypy.py",
    "--ignore=tests/test_cython.py",
    // They fail with libzmq, too: what pytest does with log lines is not what they expect.
    "--ignore=tests/test_log.py",
    // It closes a descriptor while the loop watches it, and fails with libzmq now and then.
    "--deselect=tests/test_zmqstream.py::test_shadow_socket_close",
];

/// Which library a script runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    Libzmq,
    Ours,
}

/// Packages of Python in which the library of pyzmq is ours.
fn swapped() -> Result<PathBuf> {
    static SWAPPED: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let swapped = SWAPPED.get_or_init(|| swap().map_err(|error| format!("{error:#}")));
    swapped.clone().map_err(anyhow::Error::msg)
}

fn swap() -> Result<PathBuf> {
    let home = installed(ClientKind::PyzmqTests)?;
    let packages = packages(&home)?;
    let swapped = target_dir()?.join("interop/zmq_c");
    if swapped.exists() {
        fs::remove_dir_all(&swapped)?;
    }
    fs::create_dir_all(&swapped)?;
    // pyzmq's tests are away from its source, which they would take for what is installed.
    let source = home.join("source");
    let mut copy = Command::new("cp");
    copy.arg("-r")
        .args(["zmq", "pyzmq.libs"].map(|name| packages.join(name)));
    copy.args(["tests", "pytest.ini"].map(|name| source.join(name)));
    ensure!(copy.arg(&swapped).status()?.success(), "nothing is copied");
    let mut count = 0;
    for entry in fs::read_dir(swapped.join("pyzmq.libs"))? {
        let path = entry?.path();
        fs::remove_file(&path)?;
        // The other libraries there are libzmq's own.
        if path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"libzmq"))
        {
            fs::copy(zmq_library()?, &path)?;
            count += 1;
        }
    }
    ensure!(count == 1, "{count} libraries are in pyzmq");
    Ok(swapped)
}

/// Where the packages of an environment are.
fn packages(home: &Path) -> Result<PathBuf> {
    let python = fs::read_dir(home.join("lib"))?.next();
    let python = python.context("an environment has a folder of packages")??;
    Ok(python.path().join("site-packages"))
}

/// Starts one side of a dialogue.
fn start(library: Library, role: &str, args: [&str; 3]) -> Result<Script> {
    let mut command = pyzmq_script("sockets.py")?;
    if library == Library::Ours {
        command.env("PYTHONPATH", swapped()?);
    }
    Script::start(command.arg(role).args(args))
}

/// Has two roles speak with each other, one on each library; each binds once with each. The second goes on until the
/// first has ended.
fn talk(first: &str, second: &str, security: &str) -> Result<()> {
    use Library::{Libzmq, Ours};
    // What security does is the same on each transport.
    let transports = match security {
        "null" => &TRANSPORTS[..],
        _ => &TRANSPORTS[..1],
    };
    for (library_of_first, library_of_second) in [(Ours, Libzmq), (Libzmq, Ours)] {
        for transport in transports {
            for first_binds in [true, false] {
                let told = || {
                    format!(
                        "{first} on {library_of_first:?} and {second} on {library_of_second:?}, \
                         {transport}, {security}, first binds: {first_binds}"
                    )
                };
                let bind = ["bind", transport, security];
                let (one, other) = if first_binds {
                    let mut one = start(library_of_first, first, bind)?;
                    let connect = ["connect", &one.line()?, security];
                    (one, start(library_of_second, second, connect)?)
                } else {
                    let mut other = start(library_of_second, second, bind)?;
                    let connect = ["connect", &other.line()?, security];
                    (start(library_of_first, first, connect)?, other)
                };
                one.end().with_context(told)?;
                other.end().with_context(told)?;
            }
        }
    }
    Ok(())
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

#[test]
fn pyzmq_has_the_library_that_it_is_given() -> Result<()> {
    // libzmq is C++, and has libsodium beside it.
    let script = "import zmq; maps = open('/proc/self/maps').read(); \
                  print(zmq.zmq_version(), 'libstdc++' in maps, 'sodium' in maps, zmq.has('curve'))";
    let python = installed(ClientKind::PyzmqTests)?.join("bin/python");
    let mut command = Command::new(python);
    command.args(["-c", script]);
    let theirs = command.output()?;
    let ours = command.env("PYTHONPATH", swapped()?).output()?;
    ensure!(
        theirs.stdout == b"4.3.5 True True True\n",
        "{}",
        said(&theirs)
    );
    ensure!(
        ours.stdout == b"4.3.5 False False True\n",
        "{}",
        said(&ours)
    );
    Ok(())
}

#[test]
fn messages_go_one_way() -> Result<()> {
    talk("pull", "push", "null")
}

#[test]
fn requests_are_answered() -> Result<()> {
    for (asks, answers) in [
        ("req", "rep"),
        ("req", "router"),
        ("dealer", "rep"),
        ("dealer", "router"),
    ] {
        talk(asks, answers, "null")?;
    }
    Ok(())
}

#[test]
fn topics_are_subscribed_to() -> Result<()> {
    talk("other_sub", "xpub", "null")?;
    talk("other_sub", "pub", "null")?;
    talk("xsub", "other_xpub", "null")
}

#[test]
fn pairs_speak() -> Result<()> {
    talk("pair", "other_pair", "null")
}

#[test]
fn names_and_passwords_are_asked_for_by_the_program() -> Result<()> {
    talk("pull", "push", "plain")?;
    talk("dealer", "router", "plain")
}

#[test]
fn keys_encrypt_everything() -> Result<()> {
    talk("pull", "push", "curve")?;
    talk("dealer", "router", "curve")?;
    talk("xsub", "other_xpub", "curve")
}

#[test]
fn the_tests_of_pyzmq_pass() -> Result<()> {
    let home = installed(ClientKind::PyzmqTests)?;
    let mut pytest = Command::new(home.join("bin/python"));
    pytest.args(["-B", "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]);
    // Some give a message a few milliseconds, which a busy machine does not.
    pytest
        .args(["--timeout=120", "--reruns=3", "-m", "not large"])
        .args(DESELECTED);
    let output = pytest
        .arg("tests")
        .current_dir(swapped()?)
        .env("PYTHONPATH", swapped()?)
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = text.lines().find_map(|line| {
        line.split_once(" passed")?
            .0
            .split(' ')
            .next_back()?
            .parse::<u32>()
            .ok()
    });
    ensure!(passed.is_some_and(|passed| passed >= 310), "{text}");
    Ok(())
}

#[test]
fn a_program_in_c_says_the_same() -> Result<()> {
    says_the_same("probe")
}

#[test]
fn a_program_in_c_says_the_same_in_corners() -> Result<()> {
    says_the_same("corners")
}

/// Runs a program on each library.
fn says_the_same(name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let probe = folder.path().join(name);
    let source = ClientKind::Libzmq.folder().join(format!("{name}.c"));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&probe)
        .arg(source);
    let compiled = compiler.args(["-lzmq", "-lpthread", "-ldl"]).output()?;
    ensure!(compiled.status.success(), "{}", said(&compiled));
    let library = folder.path().join("libzmq.so.5");
    fs::copy(zmq_library()?, &library)?;
    let theirs = Command::new(&probe).output()?;
    let ours = Command::new(&probe)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()?;
    ensure!(theirs.status.success(), "{}", said(&theirs));
    ensure!(ours.status.success(), "{}", said(&ours));
    // Each says last which library it had.
    let had_ours = |output: &Output| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        stderr.trim_end() == library.to_string_lossy()
    };
    ensure!(
        had_ours(&ours) && !had_ours(&theirs),
        "{}{}",
        said(&theirs),
        said(&ours)
    );
    let lines = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let (theirs, ours) = (lines(&theirs), lines(&ours));
    for (index, (theirs, ours)) in theirs.lines().zip(ours.lines()).enumerate() {
        ensure!(
            theirs == ours,
            "line {}: libzmq says\n{theirs}\nwe say\n{ours}",
            index + 1
        );
    }
    ensure!(theirs == ours, "one says more than the other");
    Ok(())
}
