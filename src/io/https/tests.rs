use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use super::*;
use crate::wire::http::ResponseParser;

/// As long as a good client may wait for its answer, however many strangers there are.
const PATIENCE: Duration = Duration::from_secs(5);

fn plain(limits: HttpsLimits) -> HttpsServer {
    HttpsServer::bind("127.0.0.1:0".parse().unwrap(), None, limits).unwrap()
}

/// Runs `test` against a server with `handler`, and ends the server.
fn serving(
    limits: HttpsLimits,
    handler: impl Fn(&Asked<'_>) -> Response + Sync,
    test: impl FnOnce(SocketAddr),
) {
    let server = plain(limits);
    let (address, stopper) = (server.address(), server.stopper());
    thread::scope(|scope| {
        scope.spawn(|| server.serve(&handler));
        // A test that fails ends the server as well.
        let result = catch_unwind(AssertUnwindSafe(|| test(address)));
        stopper.stop();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks for `path`, and returns the status of the answer; none where the connection ends without one.
fn ask(stream: &mut TcpStream, path: &str) -> Option<u16> {
    stream.write_all(&Request::new("GET", path, "localhost").encode()).ok()?;
    let mut parser = ResponseParser::new(Limits::default());
    let mut chunk = [0; 1024];
    loop {
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            read => parser.push(&chunk[..read]),
        }
        if let Some(response) = parser.next_response().unwrap() {
            return Some(response.status);
        }
    }
}

#[test]
fn strangers_that_say_nothing_give_way_to_who_asks() {
    let limits = HttpsLimits { connections: 8, ..HttpsLimits::default() };
    serving(
        limits,
        |_| Response::new(204),
        |address| {
            let mut good = connect(address);
            assert_eq!(ask(&mut good, "/"), Some(204));
            let strangers: Vec<TcpStream> = (0..40).map(|_| connect(address)).collect();
            let begun = Instant::now();
            // Who has been served keeps its connection before those that never asked, and a newcomer gets one.
            assert_eq!(ask(&mut good, "/"), Some(204));
            assert_eq!(ask(&mut connect(address), "/"), Some(204));
            assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
            // The oldest of them were let go.
            let first = &mut &strangers[0];
            assert_eq!(first.read(&mut [0; 8]).unwrap_or(0), 0);
        },
    );
}

#[test]
fn a_client_that_sends_a_byte_at_a_time_is_let_go_after_its_time() {
    let limits = HttpsLimits { exchange: Duration::from_millis(300), ..HttpsLimits::default() };
    serving(
        limits,
        |_| Response::new(204),
        |address| {
            let mut slow = connect(address);
            let begun = Instant::now();
            let mut sent = 0u32;
            while slow.write_all(b"G").is_ok() && begun.elapsed() < PATIENCE {
                sent += 1;
                thread::sleep(Duration::from_millis(20));
            }
            assert!(begun.elapsed() < PATIENCE, "{sent} bytes were waited for");
        },
    );
}

/// Requests that take long: their connections are not taken from them, nor are they waited for.
#[test]
fn requests_that_take_long_hold_up_nobody_beyond_the_places_they_have() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let handler = |asked: &Asked<'_>| {
        if asked.request.path() == "/slow" {
            let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE);
        }
        Response::new(204)
    };
    let limits = HttpsLimits { connections: 4, ..HttpsLimits::default() };
    serving(limits, handler, |address| {
        let mut slow: Vec<TcpStream> = (0..4).map(|_| connect(address)).collect();
        for stream in &mut slow {
            stream.write_all(&Request::new("GET", "/slow", "localhost").encode()).unwrap();
        }
        thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        // There is no place, and that is said at once.
        assert_eq!(ask(&mut connect(address), "/"), None);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        for _ in &slow {
            release.send(()).unwrap();
        }
        let mut chunk = [0; 1024];
        for mut stream in slow {
            assert!(stream.read(&mut chunk).unwrap() > 0, "who was being answered is answered");
        }
        assert_eq!(ask(&mut connect(address), "/"), Some(204));
    });
}

#[test]
fn a_handler_that_panics_costs_one_request() {
    let calls = AtomicU32::new(0);
    let handler = |asked: &Asked<'_>| {
        calls.fetch_add(1, Ordering::Relaxed);
        assert!(asked.request.path() != "/break", "the handler is at fault");
        Response::new(204)
    };
    let limits = HttpsLimits { connections: 4, ..HttpsLimits::default() };
    serving(limits, handler, |address| {
        for _ in 0..12 {
            assert_eq!(ask(&mut connect(address), "/break"), Some(500));
        }
        assert_eq!(ask(&mut connect(address), "/"), Some(204));
    });
    assert_eq!(calls.load(Ordering::Relaxed), 13);
}

#[test]
fn a_request_without_a_host_is_refused() {
    serving(
        HttpsLimits::default(),
        |_| Response::new(204),
        |address| {
            for (head, status) in [
                ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
                ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "),
                ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 "),
            ] {
                let mut stream = connect(address);
                stream.write_all(head.as_bytes()).unwrap();
                let mut answer = [0; 13];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(answer, status.as_bytes(), "{head:?}");
            }
        },
    );
}

/// What a client sends before it is answered waits in the windows of its connection, not here.
#[test]
fn requests_that_are_sent_ahead_are_answered_in_turn_and_bounded() {
    let handler = |_: &Asked<'_>| Response::new(200).body("text/plain", vec![b'a'; 1024]);
    serving(HttpsLimits::default(), handler, |address| {
        let mut stream = connect(address);
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let request = Request::new("GET", "/", "localhost").encode();
        // More than any buffer of the kernel has, and nobody reads the answers.
        let all = request.repeat(2_000_000);
        let mut sent = 0;
        while let Ok(more @ 1..) = stream.write(&all[sent..]) {
            sent += more;
        }
        assert!(sent < all.len(), "{sent} bytes were taken in and nothing was answered for");
        let mut stream = connect(address);
        stream.write_all(&request.repeat(50)).unwrap();
        let mut parser = ResponseParser::new(Limits::default());
        let (mut chunk, mut answers) = ([0; 4096], 0);
        while answers < 50 {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "{answers} answers");
            parser.push(&chunk[..read]);
            while parser.next_response().unwrap().is_some() {
                answers += 1;
            }
        }
    });
}

/// Many come at once while nobody accepts: none has to send its SYN again, which would take a second.
#[test]
fn a_crowd_that_comes_at_once_finds_a_place() {
    let server = plain(HttpsLimits::default());
    let mut worst = Duration::ZERO;
    let mut crowd = Vec::new();
    for _ in 0..400 {
        let begun = Instant::now();
        crowd.push(TcpStream::connect_timeout(&server.address(), Duration::from_secs(3)).unwrap());
        worst = worst.max(begun.elapsed());
    }
    assert!(worst < Duration::from_millis(900), "{worst:?}");
}
