//! Where the tests' server comes from: one place to change. And a relay in front of it.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use portproof_database::{DatabaseError, Server};
use tokio::sync::OnceCell;

/// The URL of a server on which these tests may create roles, databases and schemas.
///
/// # Errors
///
/// When none can be had: see `portproof_database::postgres`.
pub(crate) async fn postgres() -> Result<String, DatabaseError> {
    // Held for as long as the process: that is what keeps the server alive.
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    let server = SERVER.get_or_try_init(portproof_database::postgres).await?;
    Ok(server.url().to_owned())
}

/// Stands between clients and the server, and hands on what they say, until it stalls: then it
/// swallows everything, and nobody is told. So does a server that was stopped, or a network that broke.
pub(crate) struct Relay {
    pub(crate) port: u16,
    pub(crate) stalls: Arc<AtomicBool>,
}

impl Relay {
    /// A relay to this server, which stalls by itself when a client says `words`.
    pub(crate) fn new(server: (String, u16), words: &'static str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let stalls = Arc::new(AtomicBool::new(false));
        let stall = Arc::clone(&stalls);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client?, TcpStream::connect(&server)?);
                let (from, to) = (client.try_clone()?, server.try_clone()?);
                let stalls = Arc::clone(&stall);
                thread::spawn(move || hand_on(from, to, &stalls, Some(words)));
                let stalls = Arc::clone(&stall);
                thread::spawn(move || hand_on(server, client, &stalls, None));
            }
            std::io::Result::Ok(())
        });
        Ok(Self { port, stalls })
    }
}

fn hand_on(
    mut from: TcpStream,
    mut to: TcpStream,
    stalls: &AtomicBool,
    words: Option<&str>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        let said = String::from_utf8_lossy(&buffer[..read]);
        if words.is_some_and(|words| said.contains(words)) {
            stalls.store(true, Ordering::SeqCst);
        }
        if !stalls.load(Ordering::SeqCst) {
            to.write_all(&buffer[..read])?;
        }
    }
}
