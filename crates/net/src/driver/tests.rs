//! The driver over pipes in memory, in virtual time.

use super::*;
use crate::toy::{Run, delivery, settle};
use broker_api::Reply;
use model::CommandId;
use std::io::ErrorKind;
use std::task::Waker;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const PIPE_BYTES: usize = 64 * 1024;

async fn expect(client: &mut DuplexStream, text: &[u8]) {
    let mut got = vec![0; text.len()];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(text));
}

async fn expect_end(client: &mut DuplexStream, text: &[u8]) {
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(text));
}

fn expect_nothing(client: &mut DuplexStream) {
    let mut place = [0];
    let mut buffer = tokio::io::ReadBuf::new(&mut place);
    let polled = Pin::new(client).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    assert!(polled.is_pending(), "{polled:?} {:?}", buffer.filled());
}

#[tokio::test(start_paused = true)]
async fn a_frame_in_two_halves_is_one_frame() {
    let run = Run::new();
    let (mut client, io) = duplex(PIPE_BYTES);
    run.spawn(io);
    client.write_all(b"hel").await.unwrap();
    settle().await;
    expect_nothing(&mut client);
    client.write_all(b"lo\nwor").await.unwrap();
    expect(&mut client, b"hello\n").await;
    client.write_all(b"ld\n").await.unwrap();
    expect(&mut client, b"world\n").await;
    assert_eq!(run.bytes_in(), 12);
}

#[tokio::test(start_paused = true)]
async fn any_split_gives_the_same_output() {
    let long = "long ".repeat(5_000);
    let input = format!("a\nbarrier\nb\n{long}\n=20000\ncommand\nbarrier\nbarrier\nc\nclose\nd\n");
    let mut outputs = Vec::new();
    for pipe_bytes in [1, 2, 3, 1_000, PIPE_BYTES * 4] {
        let run = Run::new();
        run.toy.state().answers = true;
        let (client, io) = duplex(pipe_bytes);
        let driver = run.spawn(io);
        let (mut reader, mut writer) = tokio::io::split(client);
        let input = input.clone();
        // What is behind "close" may not find a reader.
        let writing = tokio::spawn(async move { writer.write_all(input.as_bytes()).await.is_ok() });
        let mut output = Vec::new();
        reader.read_to_end(&mut output).await.unwrap();
        drop(reader);
        writing.await.unwrap();
        assert_eq!(driver.await.unwrap(), End::Closed);
        // An answer that nothing waits for comes when it comes.
        let output = String::from_utf8(output).unwrap().replace("done 2\n", "");
        outputs.push(output);
    }
    assert!(outputs[0].starts_with("a\ndone 1\nb\nlong") && outputs[0].ends_with("c\nbye\n"));
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_bounded_and_then_cut() {
    let run = Run::new();
    let (mut client, io) = duplex(4096);
    let driver = run.spawn(io);
    let start = tokio::time::Instant::now();
    let line = [&[b'x'; 999], &b"\n"[..]].concat();
    let mut sent = 0_u64;
    let error = loop {
        match client.write(&line).await {
            Ok(count) => sent += count as u64,
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(error, ErrorKind::BrokenPipe);
    assert_eq!(driver.await.unwrap(), End::Stalled);
    let waited = start.elapsed();
    let timeout = run.environment.limits.send_timeout;
    assert!(
        waited >= timeout && waited < timeout + Duration::from_millis(10),
        "{waited:?}"
    );
    assert!(sent < 600 * 1024, "{sent} bytes were taken");
    assert!(run.toy.state().wire_bytes_max < 600 * 1024);
    assert_eq!(
        run.toy.log(),
        ["handle_close", "command 1", "attachment closed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_cut_as_soon_as_the_broker_wants_it() {
    let run = Run::new();
    let (mut client, io) = duplex(10);
    let driver = run.spawn(io);
    client.write_all(b"=100000\n").await.unwrap();
    settle().await;
    let started = tokio::time::Instant::now();
    run.toy.cut();
    driver.await.unwrap();
    assert!(
        started.elapsed() <= Limits::default().linger,
        "not by the send timeout"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_not_cut() {
    let run = Run::new();
    let (mut client, io) = duplex(10);
    run.spawn(io);
    client.write_all(b"=100\n").await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        expect(&mut client, b"xxxxxxxxxx").await;
    }
    client.write_all(b"well\n").await.unwrap();
    expect(&mut client, b"well\n").await;
}

#[tokio::test(start_paused = true)]
async fn reading_waits_for_admission() {
    let run = Run::new();
    run.toy.state().is_full = true;
    let (mut client, io) = duplex(8);
    run.spawn(io);
    client.write_all(b"12345\n").await.unwrap();
    settle().await;
    assert_eq!(run.bytes_in(), 0);
    // Events go on meanwhile.
    assert_eq!(run.toy.state().pauses_told, 0);
    run.toy.deliver(b"event\n");
    expect(&mut client, b"event\n").await;
    assert!(
        run.toy.state().pauses_told > 0,
        "the silence is not the peer's"
    );
    run.toy.admit();
    expect(&mut client, b"12345\n").await;
    settle().await;
    let told = run.toy.state().pauses_told;
    client.write_all(b"67890\n").await.unwrap();
    expect(&mut client, b"67890\n").await;
    assert_eq!(run.toy.state().pauses_told, told, "it is read again");
}

#[tokio::test(start_paused = true)]
async fn the_attachment_goes_on_while_the_session_waits_for_its_answers() {
    let run = Run::new();
    run.toy.state().unanswered_bytes = Driver::<DuplexStream>::UNANSWERED_BYTES_MAX;
    run.toy.state().is_full = true;
    let (mut client, io) = duplex(PIPE_BYTES);
    run.spawn(io);
    client.write_all(b"line\n").await.unwrap();
    settle().await;
    let asked = run.toy.state().admissions_asked;
    assert!(asked > 0, "what waits for room is asked for");
    run.toy.admit();
    settle().await;
    assert!(
        run.toy.state().admissions_asked > asked,
        "and heard when there is some"
    );
    assert_eq!(run.bytes_in(), 0, "nothing more is read");
    run.toy.state().unanswered_bytes = 0;
    run.toy.deliver(b"event\n");
    expect(&mut client, b"event\nline\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_barrier_is_followed_by_what_was_left() {
    let run = Run::new();
    let (mut client, io) = duplex(PIPE_BYTES);
    run.spawn(io);
    client.write_all(b"barrier\nnext\nrest").await.unwrap();
    settle().await;
    client.write_all(b"!\n").await.unwrap();
    run.toy.deliver(b"event\n");
    expect(&mut client, b"event\n").await;
    settle().await;
    expect_nothing(&mut client);
    assert_eq!(run.bytes_in(), 17, "nothing is read at a barrier");
    run.toy.push(Event::Done(CommandId(1), Ok(Reply::Nothing)));
    expect(&mut client, b"done 1\nnext\nrest!\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_barrier_may_be_answered_before_the_next_read() {
    let run = Run::new();
    run.toy.state().answers = true;
    let (mut client, io) = duplex(PIPE_BYTES);
    run.spawn(io);
    client.write_all(b"barrier\nnext\n").await.unwrap();
    expect(&mut client, b"done 1\nnext\n").await;
}

#[tokio::test(start_paused = true)]
async fn the_attachment_hears_when_all_is_sent() {
    let run = Run::new();
    let (mut client, io) = duplex(4);
    run.spawn(io);
    run.toy.deliver(b"12345678");
    run.toy.deliver(b"abcd");
    settle().await;
    expect(&mut client, b"1234").await;
    settle().await;
    assert!(run.toy.log().is_empty());
    expect(&mut client, b"5678").await;
    settle().await;
    assert_eq!(run.toy.log(), ["sent"]);
}

#[tokio::test(start_paused = true)]
async fn a_close_sends_what_is_written() {
    let run = Run::new();
    let (mut client, io) = duplex(100);
    let driver = run.spawn(io);
    client
        .write_all(b"=300000\nclose\nignored\n")
        .await
        .unwrap();
    settle().await;
    assert!(run.toy.log().is_empty(), "closed only when all is sent");
    let expected = format!("{}bye\n", "x".repeat(300_000));
    expect_end(&mut client, expected.as_bytes()).await;
    assert_eq!(run.toy.log(), ["attachment closed"]);
    // The peer may still write until it has seen the end, and no longer than that.
    client.write_all(b"more\n").await.unwrap();
    assert_eq!(driver.await.unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_close_does_not_wait_for_ever() {
    let run = Run::new();
    let (mut client, io) = duplex(100);
    let driver = run.spawn(io);
    client.write_all(b"=300\nclose\n").await.unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(driver.await.unwrap(), End::Unsent);
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(run.toy.log(), ["attachment closed"]);
}

#[tokio::test(start_paused = true)]
async fn events_behind_a_close_are_not_said_to_be_sent() {
    let run = Run::new();
    run.toy.push(Event::Disconnect(Refusal::Stalled));
    run.toy.deliver(b"never seen");
    let (mut client, io) = duplex(PIPE_BYTES);
    run.spawn(io);
    expect_end(&mut client, format!("{}\n", Refusal::Stalled).as_bytes()).await;
    assert_eq!(run.toy.log(), ["attachment closed"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_ends_the_session() {
    let run = Run::new();
    let (mut client, io) = duplex(PIPE_BYTES);
    let driver = run.spawn(io);
    client.write_all(b"whole\nhal").await.unwrap();
    client.shutdown().await.unwrap();
    expect_end(&mut client, b"whole\n").await;
    assert_eq!(driver.await.unwrap(), End::PeerClosed);
    assert_eq!(
        run.toy.log(),
        ["handle_close", "command 1", "attachment closed"]
    );
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_with_a_timer_only_while_there_are_some() {
    let run = Run::new();
    run.toy.state().beat = Some(Duration::from_secs(10));
    let (mut client, io) = duplex(PIPE_BYTES);
    let mut driver = run.driver(io);
    let poll = async |driver: &mut Driver<DuplexStream>| {
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *driver).poll(cx).is_pending())).await
    };
    assert!(poll(&mut driver).await && !driver.timer.is_set());
    client.write_all(b"a\n").await.unwrap();
    assert!(poll(&mut driver).await && driver.timer.is_set());
    tokio::time::advance(Duration::from_secs(8)).await;
    client.write_all(b"b\n").await.unwrap();
    assert!(poll(&mut driver).await);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(poll(&mut driver).await);
    expect(&mut client, b"a\nb\n").await;
    expect_nothing(&mut client);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(poll(&mut driver).await && !driver.timer.is_set());
    expect(&mut client, b"beat\n").await;
}

#[tokio::test(start_paused = true)]
async fn the_attachment_is_asked_again_at_its_deadline() {
    let run = Run::new();
    let (mut client, io) = duplex(PIPE_BYTES);
    let at = run.environment.clock.now() + Duration::from_secs(3);
    run.toy.state().attachment_deadline = Some(at);
    run.spawn(io);
    client.write_all(b"barrier\n").await.unwrap();
    settle().await;
    let before = run.toy.state().admissions_asked;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(run.toy.state().admissions_asked, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_told_to_the_peer() {
    let run = Run::new();
    let (mut client, io) = duplex(PIPE_BYTES);
    let driver = run.spawn(io);
    settle().await;
    run.stopper.stop();
    expect_end(
        &mut client,
        format!("{}\n", Refusal::ShuttingDown).as_bytes(),
    )
    .await;
    assert_eq!(driver.await.unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_stop_is_cut() {
    let run = Run::new();
    run.toy.state().is_stubborn = true;
    let (_client, io) = duplex(PIPE_BYTES);
    let driver = run.spawn(io);
    settle().await;
    let start = tokio::time::Instant::now();
    run.stopper.stop();
    assert_eq!(driver.await.unwrap(), End::Stopped);
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(
        run.toy.log(),
        ["handle_close", "command 1", "attachment closed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_driver_closes_its_attachment() {
    let run = Run::new();
    let (_client, io) = duplex(PIPE_BYTES);
    drop(run.driver(io));
    assert_eq!(run.toy.log(), ["attachment closed"]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_next_to_nothing() {
    let run = Run::new();
    let (mut client, io) = duplex(4 * PIPE_BYTES);
    let mut driver = run.driver(io);
    assert!(size_of_val(&driver) < 768, "{} bytes", size_of_val(&driver));
    run.toy.push(Event::Delivery(delivery(&[b'y'; 100_000])));
    let burst = "command\nline\n".repeat(5_000);
    client.write_all(burst.as_bytes()).await.unwrap();
    client.write_all(&[b'z'; 1_000]).await.unwrap();
    for _ in 0..10 {
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut driver).poll(cx).is_pending()))
                .await
        );
    }
    let mut output = vec![0; 125_000];
    client.read_exact(&mut output).await.unwrap();
    assert_eq!(driver.input.len(), 1_000, "the rest of the input");
    assert!(driver.input.capacity() < 1_100);
    assert_eq!(driver.out.wire.buffer().capacity(), 0);
    assert_eq!(driver.out.commands.capacity(), 0);
    assert!(!driver.timer.is_set());
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_lets_others_have_their_turn() {
    let run = Run::new();
    let (mut client, io) = duplex(64 * PIPE_BYTES);
    let mut driver = run.driver(io);
    client
        .write_all(&b"a\n".repeat(32 * PIPE_BYTES))
        .await
        .unwrap();
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut driver).poll(cx).is_pending())).await;
    assert!(
        run.bytes_in() <= POLL_BYTES_MAX as u64,
        "{} bytes in one poll",
        run.bytes_in()
    );
}
