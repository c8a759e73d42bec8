//! What the commands print.

use std::{
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

/// The first line that could not be written, and why.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);
/// Told when nobody reads any more.
static CLOSED: Notify = Notify::const_new();

/// Prints a line, as `println!` does; what that would panic about, [`written`] tells at the end.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::out::line(format_args!($($argument)*))
    };
}
pub(crate) use say;

pub(crate) fn line(line: fmt::Arguments<'_>) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        // Whoever pipes it into `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => CLOSED.notify_one(),
        Err(error) => {
            let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert(error);
        }
    }
}

/// Ends when somebody wanted to print, and nobody reads any more.
pub(crate) async fn closed() {
    CLOSED.notified().await;
}

/// Whether all that was printed could be written.
pub(crate) fn written() -> io::Result<()> {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.take().map_or(Ok(()), Err)
}
