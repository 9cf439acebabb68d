//! A program on a terminal of its own, with its screen as a person sees it.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_mins(1);

/// A terminal and what runs on it.
pub(crate) struct Screen {
    child: Child,
    keys: Option<ChildStdin>,
    shown: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    reader: Option<JoinHandle<()>>,
}

impl Screen {
    /// Runs `program`, in the environment of `command`, on a terminal of this size. `command` runs `script`.
    pub(crate) fn start(
        mut command: Command,
        program: &Path,
        args: &str,
        size: (u16, u16),
    ) -> Self {
        let (rows, columns) = size;
        let line = format!(
            "stty rows {rows} cols {columns}; exec '{}' {args}",
            program.display()
        );
        command
            .args(["-qec", &line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("script runs");
        let keys = child.stdin.take();
        let mut output = child.stdout.take().expect("its output");
        let shown = Arc::new(Mutex::new((
            vt100::Parser::new(rows, columns, 0),
            Vec::new(),
        )));
        let seen = shown.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                let mut seen = seen.lock().expect("a screen");
                seen.0.process(&buffer[..read]);
                seen.1.extend_from_slice(&buffer[..read]);
            }
        });
        Self {
            child,
            keys,
            shown,
            reader: Some(reader),
        }
    }

    /// Presses these keys.
    pub(crate) fn press(&mut self, keys: &str) {
        let to = self.keys.as_mut().expect("a keyboard");
        to.write_all(keys.as_bytes()).expect("keys are taken");
        to.flush().expect("keys are taken");
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.shown.lock().expect("a screen").0.screen().contents()
    }

    /// Every byte that was written to the terminal.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shown.lock().expect("a screen").1.clone()
    }

    /// The end of what was written, for who looks for a fault.
    fn last_bytes(&self) -> String {
        let bytes = self.bytes();
        bytes[bytes.len().saturating_sub(500)..]
            .escape_ascii()
            .to_string()
    }

    /// Whether the screen is the program's own, with its cursor hidden.
    pub(crate) fn is_taken(&self) -> bool {
        let shown = self.shown.lock().expect("a screen");
        let screen = shown.0.screen();
        screen.alternate_screen() || screen.hide_cursor()
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}:\n{text}\nThe last bytes: {}",
                self.last_bytes()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `text` is on the screen.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) -> String {
        self.until(&format!("'{text}' is not seen"), |shown| {
            shown.contains(text)
        })
    }

    /// The process of the program.
    pub(crate) fn pid(&self) -> i32 {
        let script = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children"));
        let children = children.expect("the children of script");
        children.trim().parse().expect("one child")
    }

    /// Waits for the program's end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("an end");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader");
        }
        status
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Its terminal goes with it, and hangs up on the program.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
