//! Who is let in, and what it costs to find out.

mod support;

use auth::{
    Decoys, ITERATIONS_MAX, Nonce, ScramClient, ScramCredentials, UserChange, UserError, Users,
};
use broker::{Broker, Connection, LoginWorker, Settings, Step, UserKeeper};
use broker_api::{
    Attachment, Authenticate, Authenticated, Command, Connect, Event, ListedUser, Listing, Login,
    Peer, PutUser, Refusal, Reply, Submission,
};
use model::{CommandId, ConnectionId, ConversationId, QueueName};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use support::Node;

const HERE: &str = "127.0.0.1";
const THERE: &str = "10.0.0.1";

/// Users that are kept in memory.
struct Memory(Users);

impl UserKeeper for Memory {
    fn change(&mut self, change: UserChange) -> Result<Users, UserError> {
        self.0.apply(change)?;
        Ok(self.0.clone())
    }
}

/// A disk that is full.
struct Full;

impl UserKeeper for Full {
    fn change(&mut self, _: UserChange) -> Result<Users, UserError> {
        Err(UserError::NotKept("the disk is full".into()))
    }
}

fn credentials(password: &str) -> ScramCredentials {
    ScramCredentials::from_password(password, &[1; 16], 4_096).expect("it is one")
}

fn put(name: &str, password: &str) -> UserChange {
    UserChange::Put {
        name: name.into(),
        credentials: credentials(password),
        replace: true,
    }
}

/// Users with the password "pencil".
fn users(names: &[&str]) -> Users {
    let mut users = Users::new(Decoys::new([1; 32]));
    for name in names {
        users.apply(put(name, "pencil")).expect("it is a name");
    }
    users
}

/// A broker with users and the worker that checks their passwords.
struct House {
    broker: Broker,
    worker: LoginWorker,
    keeper: Box<dyn UserKeeper>,
    woken: Arc<Woken>,
    connections: u64,
}

#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl House {
    fn new(names: &[&str]) -> Self {
        Self::with(Settings {
            users: users(names),
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        let broker = Node::new(settings.clone()).broker;
        Self {
            worker: broker.login_worker(),
            broker,
            keeper: Box::new(Memory(settings.users)),
            woken: Arc::default(),
            connections: 0,
        }
    }

    fn guest(&mut self, address: &str) -> Guest {
        self.connections += 1;
        let address = address.parse::<IpAddr>().expect("an address");
        let id = ConnectionId(self.connections);
        Guest {
            connection: self.broker.attach(id, Peer { address }),
            last: 0,
            asked: 0,
        }
    }

    fn operator(&mut self) -> Guest {
        let mut guest = self.guest(HERE);
        let id = ConnectionId(self.connections);
        let address = HERE.parse::<IpAddr>().expect("an address");
        guest.connection = self.broker.attach_operator(id, Peer { address });
        assert_eq!(guest.ask(connect(None)), Some(Ok(Reply::Nothing)));
        guest
    }

    /// One step of the worker.
    fn work(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let cx = Context::from_waker(&waker);
        self.worker.step(&mut *self.keeper, &cx) == Step::Worked
    }

    fn work_all(&mut self) {
        while self.work() {}
    }

    /// What a command is answered once the worker has done its part.
    fn answer(&mut self, guest: &mut Guest, command: Command) -> Result<Reply, Refusal> {
        if let Some(done) = guest.ask(command) {
            return done;
        }
        self.work_all();
        guest.answer().expect("the worker has done its part")
    }

    /// Whether a login is right, and whether that was known at once.
    fn login(&mut self, address: &str, name: &str, password: &str) -> (Result<(), Refusal>, bool) {
        let mut guest = self.guest(address);
        let login = login(name.as_bytes(), password.as_bytes());
        let at_once = guest.ask(connect(Some(login)));
        let was_at_once = at_once.is_some();
        let done = at_once.unwrap_or_else(|| {
            assert!(!guest.is_in(), "not before it is known");
            self.work_all();
            guest.answer().expect("the worker has done its part")
        });
        assert_eq!(guest.is_in(), done.is_ok());
        (
            done.map(|reply| assert_eq!(reply, Reply::Nothing)),
            was_at_once,
        )
    }
}

/// Somebody at the door.
struct Guest {
    connection: Connection,
    last: u64,
    /// The command whose answer is looked for.
    asked: u64,
}

impl Guest {
    fn ask(&mut self, command: Command) -> Option<Result<Reply, Refusal>> {
        self.last += 1;
        self.asked = self.last;
        let submission = Submission {
            id: CommandId(self.last),
            conversation: ConversationId(0),
            command,
        };
        let now = model::Instant::default();
        self.connection.submit(now, &mut vec![submission]);
        self.answer()
    }

    fn answer(&mut self) -> Option<Result<Reply, Refusal>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut answer = None;
        let now = model::Instant::default();
        let mut handle = |event| {
            let Event::Done(id, done) = event else {
                panic!("{event:?}");
            };
            assert_eq!(id.0, self.asked, "{done:?}");
            answer = Some(done);
        };
        let _polled = self
            .connection
            .poll_events(now, &mut cx, usize::MAX, &mut handle);
        answer
    }

    /// Whether it may do what needs a principal.
    fn is_in(&mut self) -> bool {
        let asked = self.asked;
        let refused = self.ask(Command::Cancel(model::SubscriptionId(1)));
        self.asked = asked;
        match refused {
            Some(Err(Refusal::NotConnected)) => false,
            Some(Err(Refusal::SubscriptionNotFound(_))) => true,
            other => panic!("{other:?}"),
        }
    }
}

fn connect(login: Option<Login>) -> Command {
    Command::Connect(Box::new(Connect {
        login,
        vhost: Vec::new(),
        identity: None,
    }))
}

fn login(user: &[u8], password: &[u8]) -> Login {
    Login {
        user: user.to_vec(),
        password: password.to_vec(),
    }
}

fn failed(user: &str) -> Refusal {
    Refusal::LoginFailed { user: user.into() }
}

#[test]
fn the_guest_is_let_in_from_this_machine() {
    let mut house = House::new(&[]);
    let only = Refusal::LoopbackOnly {
        user: "guest".into(),
    };
    assert_eq!(house.login(HERE, "guest", "guest"), (Ok(()), true));
    assert_eq!(house.login("::1", "guest", "guest"), (Ok(()), true));
    assert_eq!(
        house.login(THERE, "guest", "guest"),
        (Err(only.clone()), true)
    );
    assert_eq!(
        house.login(HERE, "guest", "x"),
        (Err(failed("guest")), true)
    );
    let nameless = |house: &mut House, address| house.guest(address).ask(connect(None));
    assert_eq!(nameless(&mut house, HERE), Some(Ok(Reply::Nothing)));
    assert_eq!(nameless(&mut house, THERE), Some(Err(only)));
    // Where there is none it is a name like any other.
    let mut house = House::with(Settings {
        guest: false,
        ..Settings::default()
    });
    assert_eq!(
        house.login(HERE, "guest", "guest"),
        (Err(failed("guest")), false)
    );
    assert_eq!(nameless(&mut house, HERE), Some(Err(failed(""))));
    // A user of that name takes its place, from anywhere.
    let mut house = House::new(&["guest"]);
    assert_eq!(
        house.login(HERE, "guest", "guest"),
        (Err(failed("guest")), false)
    );
    assert_eq!(house.login(THERE, "guest", "pencil"), (Ok(()), false));
    assert_eq!(nameless(&mut house, HERE), Some(Err(failed(""))));
}

#[test]
fn a_password_is_checked_beside_and_remembered_if_it_was_right() {
    let mut house = House::new(&["ada"]);
    assert_eq!(
        house.login(THERE, "ada", "crayon"),
        (Err(failed("ada")), false)
    );
    assert_eq!(house.login(THERE, "ada", "pencil"), (Ok(()), false));
    assert_eq!(house.login(THERE, "ada", "pencil"), (Ok(()), true));
    assert_eq!(
        house.login(HERE, "ada", "crayon"),
        (Err(failed("ada")), false)
    );
    // Until it is another one's.
    let mut operator = house.operator();
    let put = Command::PutUser(Box::new(PutUser {
        name: "ada".into(),
        credentials: credentials("crayon").to_text().into(),
        replace: true,
    }));
    assert_eq!(house.answer(&mut operator, put), Ok(Reply::Nothing));
    assert_eq!(
        house.login(HERE, "ada", "pencil"),
        (Err(failed("ada")), false)
    );
    assert_eq!(house.login(HERE, "ada", "crayon"), (Ok(()), false));
}

#[test]
fn who_is_not_there_takes_the_way_of_a_wrong_password() {
    let mut house = House::new(&["ada"]);
    let mut ways = Vec::new();
    for name in ["ada", "bob", "", "a\u{7}"] {
        let (done, at_once) = house.login(THERE, name, "crayon");
        assert_eq!(done, Err(failed(name)));
        ways.push(at_once);
        // A second time it is no other way.
        ways.push(house.login(THERE, name, "crayon").1);
    }
    assert_eq!(ways, [false; 8]);
    for (user, password) in [(&b"\xff"[..], &b"x"[..]), (b"ada", b"\xff"), (b"ada", b"")] {
        let mut guest = house.guest(THERE);
        let command = connect(Some(login(user, password)));
        let done = house.answer(&mut guest, command);
        assert!(matches!(done, Err(Refusal::LoginFailed { .. })), "{done:?}");
    }
    let mut guest = house.guest(THERE);
    let long = vec![b'p'; auth::PLAIN_BYTES_MAX + 1];
    let done = house.answer(&mut guest, connect(Some(login(b"ada", &long))));
    assert_eq!(done, Err(failed("ada")));
}

#[test]
fn names_are_prepared() {
    let mut house = House::new(&["IX"]);
    assert_eq!(house.login(THERE, "I\u{AD}X", "pencil").0, Ok(()));
    assert_eq!(house.login(THERE, "\u{2168}", "pencil"), (Ok(()), true));
}

#[test]
fn addresses_take_turns_and_the_waiting_is_bounded() {
    let mut users = users(&[]);
    let text = credentials("pencil").to_text();
    let text = text.replace("$4096:", &format!("${ITERATIONS_MAX}:"));
    users
        .apply(UserChange::Put {
            name: "slow".into(),
            credentials: text.parse().expect("credentials"),
            replace: false,
        })
        .expect("a name");
    users.apply(put("ada", "pencil")).expect("a name");
    let mut house = House::with(Settings {
        users,
        ..Settings::default()
    });
    let ask = |house: &mut House, address: &str, name: &str| {
        let mut guest = house.guest(address);
        let done = guest.ask(connect(Some(login(name.as_bytes(), b"pencil"))));
        (guest, done)
    };
    assert!(!house.work());
    // Eight of a million iterations are what may wait, and two of one address.
    let mut many = Vec::new();
    for address in [THERE, "10.0.0.3", "10.0.0.4", "10.0.0.5"] {
        many.extend([(); 2].map(|()| ask(&mut house, address, "slow")));
        let one_more = ask(&mut house, address, "slow").1;
        assert_eq!(one_more, Some(Err(Refusal::Busy)));
    }
    assert!(many.iter().all(|(_, done)| done.is_none()));
    assert_eq!(house.woken.0.load(Ordering::Relaxed), 1, "it is woken once");
    assert_eq!(ask(&mut house, HERE, "slow").1, Some(Err(Refusal::Busy)));
    // Who has gone meanwhile is passed over, and makes room.
    many[0].0.connection.close(model::Instant::default());
    assert!(house.work());
    let (mut other, asked) = ask(&mut house, "10.0.0.2", "ada");
    assert!(asked.is_none());
    assert!(house.work());
    assert_eq!(
        other.answer(),
        Some(Ok(Reply::Nothing)),
        "before seven others"
    );
    for (guest, _) in &mut many {
        assert_eq!(guest.answer(), None);
        guest.connection.close(model::Instant::default());
    }
    house.work_all();
}

fn begin(mechanism: &str, data: Option<&str>) -> Command {
    Command::Authenticate(Box::new(Authenticate::Begin {
        mechanism: mechanism.as_bytes().into(),
        data: data.map(|data| data.as_bytes().to_vec()),
    }))
}

fn go_on(data: &str) -> Command {
    let data = data.as_bytes().to_vec();
    Command::Authenticate(Box::new(Authenticate::Continue { data }))
}

/// Shows by SCRAM that the password is known; returns what that comes to.
#[expect(clippy::panic_in_result_fn, reason = "a test fails by a panic")]
fn scram(
    house: &mut House,
    guest: &mut Guest,
    name: &str,
    password: &str,
) -> Result<Reply, Refusal> {
    let nonce = Nonce::from_text("client").expect("a nonce");
    let client = ScramClient::new(name, password, &nonce).expect("a client");
    let asked = guest.ask(begin("SCRAM-SHA-256", Some(&client.first_message())));
    let Some(Ok(Reply::Challenge(challenge))) = asked else {
        panic!("{asked:?}")
    };
    let (last, client) = client.respond(&challenge).expect("a challenge");
    let done = guest.ask(go_on(&last)).expect("an answer at once");
    assert!(!house.work(), "there is no password to check");
    if let Ok(Reply::Authenticated(shown)) = &done {
        client
            .verify(&shown.data)
            .expect("the server knows it, too");
    }
    done
}

#[test]
fn scram_shows_who_connects() {
    let mut house = House::new(&["ada"]);
    let mut guest = house.guest(THERE);
    let done = scram(&mut house, &mut guest, "ada", "pencil");
    assert!(matches!(done, Ok(Reply::Authenticated(shown)) if &*shown.user == "ada"));
    assert!(!guest.is_in(), "not before it connects");
    assert_eq!(guest.ask(connect(None)), Some(Ok(Reply::Nothing)));
    assert!(guest.is_in());
    // The same again, and somebody else.
    let again = scram(&mut house, &mut guest, "ada", "pencil");
    assert!(again.is_ok(), "{again:?}");
    for name in ["ada", "bob"] {
        let mut guest = house.guest(HERE);
        let done = scram(&mut house, &mut guest, name, "crayon");
        assert_eq!(done, Err(failed(name)));
        // It does not become the guest by that.
        assert_eq!(guest.ask(connect(None)), Some(Err(failed(""))));
        assert!(!guest.is_in());
    }
}

#[test]
fn a_session_may_vouch_for_who_is_there() {
    let mut house = House::new(&["ada"]);
    for (name, is_there) in [("ada", true), ("bob", false), ("guest", false)] {
        let mut guest = house.guest(THERE);
        let user = name.into();
        let vouched = Box::new(Authenticate::Vouched { user });
        let done = guest.ask(Command::Authenticate(vouched));
        let connected = guest.ask(connect(None));
        if is_there {
            assert!(matches!(done, Some(Ok(Reply::Authenticated(shown))) if &*shown.user == name));
            assert_eq!(connected, Some(Ok(Reply::Nothing)));
        } else {
            assert_eq!(done, Some(Err(failed(name))));
            assert_eq!(connected, Some(Err(failed(""))));
        }
        assert_eq!(guest.is_in(), is_there, "{name}");
    }
}

#[test]
fn no_challenge_is_like_another() {
    let mut house = House::new(&["ada"]);
    let mut challenge = |name: &str| {
        let first = format!("n,,n={name},r=client");
        let asked = house.guest(THERE).ask(begin("SCRAM-SHA-256", Some(&first)));
        let Some(Ok(Reply::Challenge(challenge))) = asked else {
            panic!("{asked:?}")
        };
        let challenge = String::from_utf8(challenge).expect("text");
        let (nonce, rest) = challenge.split_once(',').expect("attributes");
        (nonce.to_owned(), rest.to_owned())
    };
    for name in ["ada", "bob"] {
        let (one, other) = (challenge(name), challenge(name));
        assert_ne!(one.0, other.0, "the nonce");
        assert_eq!(
            one.1, other.1,
            "the salt and the iterations, for who is not there, too"
        );
    }
}

#[test]
fn who_is_connected_stays_the_same() {
    let mut house = House::new(&["ada", "bob"]);
    let mut guest = house.guest(THERE);
    let connected = house.answer(&mut guest, connect(Some(login(b"ada", b"pencil"))));
    assert_eq!(connected, Ok(Reply::Nothing));
    let done = scram(&mut house, &mut guest, "bob", "pencil");
    assert_eq!(done, Err(failed("bob")));
}

#[test]
fn plain_shows_a_password() {
    let mut house = House::new(&["ada"]);
    let mut guest = house.guest(THERE);
    let done = house.answer(&mut guest, begin("PLAIN", Some("\0ada\0pencil")));
    let shown = Authenticated {
        user: "ada".into(),
        data: Vec::new(),
    };
    assert_eq!(done, Ok(Reply::Authenticated(Box::new(shown))));
    assert_eq!(guest.ask(connect(None)), Some(Ok(Reply::Nothing)));
    for (data, user) in [("\0ada\0crayon", "ada"), ("\0bob\0x", "bob"), ("x", "")] {
        let mut guest = house.guest(THERE);
        let done = house.answer(&mut guest, begin("PLAIN", Some(data)));
        assert_eq!(done, Err(failed(user)));
    }
    let mut guest = house.guest(HERE);
    let done = guest.ask(begin("PLAIN", Some("\0guest\0guest")));
    assert!(
        matches!(done, Some(Ok(Reply::Authenticated(_)))),
        "{done:?}"
    );
}

#[test]
fn steps_out_of_order_end_it() {
    let unknown = Refusal::UnknownMechanism {
        mechanism: "X\\n".into(),
    };
    let mut house = House::new(&["ada"]);
    let mut guest = house.guest(HERE);
    assert_eq!(guest.ask(begin("X\n", None)), Some(Err(unknown)));
    let first = begin("SCRAM-SHA-256", Some("n,,n=ada,r=client"));
    assert_eq!(
        guest.ask(first),
        Some(Err(failed(""))),
        "nothing more is shown"
    );
    assert_eq!(house.guest(HERE).ask(go_on("c")), Some(Err(failed(""))));
    let mut guest = house.guest(HERE);
    let asked = guest.ask(begin("SCRAM-SHA-256", None));
    assert_eq!(asked, Some(Ok(Reply::Challenge(Vec::new()))));
    assert_eq!(
        guest.ask(connect(None)),
        Some(Err(failed(""))),
        "not in between"
    );
}

#[test]
fn one_password_is_checked_at_a_time() {
    let mut house = House::new(&["ada"]);
    let mut guest = house.guest(HERE);
    assert_eq!(guest.ask(connect(Some(login(b"ada", b"pencil")))), None);
    let asked = guest.asked;
    for command in [connect(None), begin("PLAIN", Some("\0guest\0guest"))] {
        let done = guest.ask(command);
        assert!(matches!(done, Some(Err(Refusal::Invalid(_)))), "{done:?}");
    }
    assert!(!guest.is_in());
    guest.asked = asked;
    house.work_all();
    assert_eq!(guest.answer(), Some(Ok(Reply::Nothing)));
    assert!(guest.is_in());
}

#[test]
fn operators_alone_change_users() {
    let mut house = House::new(&["ada"]);
    let put_bob = || {
        Command::PutUser(Box::new(PutUser {
            name: "bob".into(),
            credentials: credentials("pencil").to_text().into(),
            replace: false,
        }))
    };
    let delete = |name: &str| Command::DeleteUser(name.into());
    let mut guest = house.guest(HERE);
    for command in [put_bob(), delete("ada"), Command::List(Listing::Users)] {
        assert_eq!(guest.ask(command), Some(Err(Refusal::NotConnected)));
    }
    guest.ask(connect(None));
    for command in [put_bob(), delete("ada"), Command::List(Listing::Users)] {
        let done = guest.ask(command);
        assert!(
            matches!(done, Some(Err(Refusal::AccessRefused(_)))),
            "{done:?}"
        );
    }
    let mut operator = house.operator();
    let listed = |names: &[&str]| {
        let listed = names.iter().map(|name| ListedUser {
            name: (*name).into(),
            iterations: 4_096,
        });
        Some(Ok(Reply::Users(listed.collect())))
    };
    assert_eq!(
        operator.ask(Command::List(Listing::Users)),
        listed(&["ada"])
    );
    assert_eq!(house.answer(&mut operator, put_bob()), Ok(Reply::Nothing));
    assert_eq!(
        operator.ask(Command::List(Listing::Users)),
        listed(&["ada", "bob"])
    );
    assert_eq!(house.login(THERE, "bob", "pencil").0, Ok(()));
    let exists = Refusal::Invalid("there is a user 'bob'".into());
    assert_eq!(house.answer(&mut operator, put_bob()), Err(exists));
    assert_eq!(
        house.answer(&mut operator, delete("bob")),
        Ok(Reply::Nothing)
    );
    assert_eq!(house.login(THERE, "bob", "pencil").0, Err(failed("bob")));
    let gone = Refusal::Invalid("there is no user 'bob'".into());
    assert_eq!(house.answer(&mut operator, delete("bob")), Err(gone));
    let weak = credentials("pencil").to_text().replace("$4096:", "$4095:");
    let weak = Command::PutUser(Box::new(PutUser {
        name: "bob".into(),
        credentials: weak.into(),
        replace: true,
    }));
    let done = house.answer(&mut operator, weak);
    assert!(matches!(done, Err(Refusal::Invalid(_))), "{done:?}");
    // What cannot be kept is not done.
    house.keeper = Box::new(Full);
    let full = Refusal::Invalid("the disk is full".into());
    assert_eq!(house.answer(&mut operator, delete("ada")), Err(full));
    assert_eq!(house.login(THERE, "ada", "pencil").0, Ok(()));
}

/// Why a connection is to end, whether it takes anything or not.
fn ended(guest: &mut Guest) -> Option<Refusal> {
    let mut cx = Context::from_waker(Waker::noop());
    let cut = match guest.connection.poll_disconnect(&mut cx) {
        Poll::Ready(refusal) => Some(refusal),
        Poll::Pending => None,
    };
    let mut told = None;
    let mut handle = |event| {
        if let Event::Disconnect(refusal) = event {
            told = Some(refusal);
        }
    };
    let now = model::Instant::default();
    let _polled = guest
        .connection
        .poll_events(now, &mut cx, usize::MAX, &mut handle);
    assert_eq!(cut, told);
    cut
}

#[test]
fn the_connections_of_a_user_end_with_it() {
    let mut house = House::new(&["ada", "bob", "guest"]);
    let enter = |house: &mut House, name: &str| {
        let mut guest = house.guest(THERE);
        let login = login(name.as_bytes(), b"pencil");
        let done = house.answer(&mut guest, connect(Some(login)));
        assert_eq!(done, Ok(Reply::Nothing));
        guest
    };
    let names = ["ada", "ada", "bob", "guest"];
    let mut guests = names.map(|name| enter(&mut house, name));
    let gone = enter(&mut house, "ada");
    drop(gone);
    let mut operator = house.operator();
    let replace = Command::PutUser(Box::new(PutUser {
        name: "ada".into(),
        credentials: credentials("crayon").to_text().into(),
        replace: true,
    }));
    assert_eq!(house.answer(&mut operator, replace), Ok(Reply::Nothing));
    let all = guests.each_mut().map(ended);
    assert_eq!(all, [None, None, None, None], "another password is no end");
    for name in ["ada", "guest"] {
        let deleted = house.answer(&mut operator, Command::DeleteUser(name.into()));
        assert_eq!(deleted, Ok(Reply::Nothing));
    }
    let deleted = |user: &str| Some(Refusal::UserDeleted { user: user.into() });
    let all = guests.each_mut().map(ended);
    let expected = [deleted("ada"), deleted("ada"), None, deleted("guest")];
    assert_eq!(all, expected);
    assert_eq!(ended(&mut operator), None);
    // The guest that there is by itself is another.
    let mut guest = house.guest(HERE);
    assert_eq!(guest.ask(connect(None)), Some(Ok(Reply::Nothing)));
}

#[test]
fn who_is_deleted_before_it_is_let_in_is_not() {
    let mut house = House::new(&["ada"]);
    let mut guest = house.guest(THERE);
    assert_eq!(guest.ask(connect(Some(login(b"ada", b"pencil")))), None);
    let mut operator = house.operator();
    assert!(house.work(), "the password is found right");
    assert_eq!(operator.ask(Command::DeleteUser("ada".into())), None);
    assert!(house.work());
    assert_eq!(operator.answer(), Some(Ok(Reply::Nothing)));
    // Only now does the connection hear of its password.
    assert_eq!(guest.answer(), Some(Err(failed("ada"))));
    assert!(!guest.is_in());
}

#[test]
fn an_operator_needs_no_guest() {
    let mut house = House::with(Settings {
        guest: false,
        ..Settings::default()
    });
    let mut operator = house.operator();
    let purge = Command::PurgeQueue(QueueName::new(b"q").expect("a name"));
    let done = operator.ask(purge);
    assert_eq!(
        done,
        Some(Err(Refusal::QueueNotFound(
            QueueName::new(b"q").expect("a name")
        )))
    );
}
