//! A runner: a process that takes a server as any test would, to be shared with, ended and killed.
//!
//! It is this same binary, started again with a role. It says what it got on standard output, line
//! by line, and holds it until its input ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitCode};

use libtest_mimic::Failed;
use portproof_database::Server;

use crate::trials::block_on;

/// The variable that makes this binary a runner: `hold` a server, or make a `fresh` database too.
pub(crate) const ROLE: &str = "PORTPROOF_TEST_ROLE";

pub(crate) fn play(role: &str) -> ExitCode {
    block_on(async {
        let answer = match portproof_database::postgres().await {
            Err(error) => Err(error),
            Ok(server) => say(&server, role).await.map(|()| server),
        };
        match answer {
            Ok(server) => {
                // Until whoever started this closes the pipe.
                let _ = std::io::stdin().read_to_end(&mut Vec::new());
                drop(server);
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("error {}", error.to_string().replace('\n', "\\n"));
                println!("done");
                ExitCode::FAILURE
            }
        }
    })
}

async fn say(server: &Server, role: &str) -> Result<(), portproof_database::DatabaseError> {
    println!("source {}", server.source());
    println!("url {}", server.url());
    println!("debug {server:?}");
    println!(
        "passed {}",
        server.passed_over().join("; ").replace('\n', "\\n")
    );
    if role == "fresh" {
        println!("fresh {}", server.fresh_database().await?);
    }
    if let Ok(template) = std::env::var("PORTPROOF_TEST_TEMPLATE") {
        println!("clone {}", server.clone_database(&template).await?);
    }
    println!("done");
    let _ = std::io::stdout().flush();
    Ok(())
}

/// A process that holds a server, killed when dropped.
pub(crate) struct Runner {
    child: Child,
    input: Option<ChildStdin>,
}

impl Runner {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, Failed> {
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    /// What the runner says, once it has said all of it.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failed> {
        let output = self
            .child
            .stdout
            .take()
            .ok_or("the runner was asked before")?;
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        Ok(Answer(lines.take_while(|line| line != "done").collect()))
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Lets the runner end by itself.
    pub(crate) fn finish(mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lines of a runner's answer.
#[derive(Debug)]
pub(crate) struct Answer(Vec<String>);

impl Answer {
    /// The rest of the line that begins with `word`.
    pub(crate) fn get(&self, word: &str) -> Result<String, Failed> {
        let found = self
            .0
            .iter()
            .find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
        found
            .map(Into::into)
            .ok_or_else(|| format!("there is no {word:?} in {self:?}").into())
    }
}
