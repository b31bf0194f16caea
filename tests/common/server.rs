//! An HTTP server on this machine that misbehaves as tests demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request of a client.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The target as it stands in the first line: `/a.tgz`, or with its host for a proxy.
    pub target: String,
    pub method: String,
    /// First byte of `Range: bytes=N-`.
    pub from: Option<usize>,
    pub if_range: Option<String>,
    pub accept_encoding: Option<String>,
    pub authorization: Option<String>,
}

/// The server's reply to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
    /// Value of Content-Length; absent: the header is left out, and the end of the connection ends the body.
    length: Option<usize>,
    /// Bytes after which the connection is cut, or falls silent.
    cut: Option<usize>,
    silent: bool,
    /// Number of bytes sent at a time, with a pause between.
    drip: Option<usize>,
    /// Whether the body is sent again and again.
    endless: bool,
}

impl Reply {
    pub fn new(status: u16, body: &[u8]) -> Self {
        let length = Some(body.len());
        let body = body.to_vec();
        Reply {
            status,
            headers: Vec::new(),
            body,
            length,
            cut: None,
            silent: false,
            drip: None,
            endless: false,
        }
    }

    /// Returns the whole file, or the part that the request's range asks for.
    pub fn ranged(request: &Request, file: &[u8]) -> Self {
        match request.from {
            None => Reply::new(200, file),
            Some(from) if from >= file.len() => {
                Reply::new(416, b"").header(&format!("Content-Range: bytes */{}", file.len()))
            }
            Some(from) => Reply::new(206, &file[from..]).header(&format!(
                "Content-Range: bytes {from}-{}/{}",
                file.len() - 1,
                file.len()
            )),
        }
    }

    pub fn header(mut self, header: &str) -> Self {
        self.headers.push(header.into());
        self
    }

    pub fn length(mut self, length: Option<usize>) -> Self {
        self.length = length;
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn silent_after(mut self, after: usize) -> Self {
        self.silent = true;
        self.cut(after)
    }

    pub fn drip(mut self, bytes: usize) -> Self {
        self.drip = Some(bytes);
        self
    }

    /// Sends the body without a length, until the client leaves.
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self.length(None)
    }

    fn send(&self, stream: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", self.status);
        self.headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        if let Some(length) = self.length {
            head += &format!("Content-Length: {length}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes())?;
        let sent = &self.body[..self.cut.unwrap_or(self.body.len()).min(self.body.len())];
        for part in sent.chunks(self.drip.unwrap_or(usize::MAX).min(sent.len().max(1))) {
            stream.write_all(part)?;
            if self.drip.is_some() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        while self.endless && !stop.load(Ordering::Relaxed) {
            stream.write_all(sent)?;
        }
        while self.silent && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stream.shutdown(Shutdown::Both)
    }
}

/// A running server; its threads end with it.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server. `answer` gets a request and the number of requests before it.
    pub fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let server = Server { address, requests: Arc::clone(&requests), stop: Arc::clone(&stop) };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (requests, stop, answer) =
                    (Arc::clone(&requests), Arc::clone(&stop), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    // A client may leave at any time.
                    let _ = serve(&mut stream, &requests, &stop, &*answer);
                });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    stream: &mut TcpStream,
    requests: &Mutex<Vec<Request>>,
    stop: &AtomicBool,
    answer: &dyn Fn(&Request, usize) -> Reply,
) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = Request::default();
        let mut line = String::new();
        input.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_string);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
        (request.method, request.target) = (method, target);
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "range" => {
                    let from = value.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
                    request.from = from.and_then(|from| from.parse().ok());
                }
                "if-range" => request.if_range = Some(value.into()),
                "accept-encoding" => request.accept_encoding = Some(value.into()),
                "authorization" => request.authorization = Some(value.into()),
                _ => {}
            }
        }
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        if request.method == "CONNECT" {
            // As a proxy, this server is also the other end of the tunnel.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            continue;
        }
        return answer(&request, number).send(stream, stop);
    }
}
