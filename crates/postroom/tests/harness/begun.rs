//! A command of the binary that waits for somebody while a test goes on.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::lines::Lines;

/// A command under way; killed when dropped.
pub struct Begun {
    child: Child,
    input: Option<ChildStdin>,
    pub out: Lines,
    pub err: Lines,
}

impl Begun {
    pub(super) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = Lines::gather(child.stdout.take().expect("piped"));
        let err = Lines::gather(child.stderr.take().expect("piped"));
        let input = child.stdin.take();
        Self { child, input, out, err }
    }

    /// Types something in.
    pub fn type_in(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it still reads");
        input.write_all(text.as_bytes()).expect("it reads");
    }

    /// Waits for its end; how it ended.
    pub fn ends(&mut self) -> Option<i32> {
        self.out.wait_for_end();
        self.err.wait_for_end();
        self.child.wait().expect("a child").code()
    }

    /// What it printed, which must have ended well.
    #[track_caller]
    pub fn end(mut self) -> String {
        assert_eq!(self.ends(), Some(0), "{}", self.err.text());
        self.out.text()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
