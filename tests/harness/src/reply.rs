use serde_json::Value;

/// What a plugin answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The exit status; 128 + the signal when one killed it.
    pub status: i32,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
    /// The call, as one could type it.
    pub(crate) call: String,
}

impl Reply {
    /// The one JSON value on stdout, null when stdout is empty. Panics with everything when it is anything else.
    #[track_caller]
    pub fn json(&self) -> Value {
        if self.stdout.trim().is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is not one JSON value ({e})\n{self}"))
    }

    /// The JSON of a call that succeeded. Panics with everything unless the status is 0.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status == 0, "the call failed\n{self}");
        self.json()
    }

    /// Code, message and details of a call that failed. Panics with everything unless the status is not 0 and stdout is
    /// exactly one CNI error.
    #[track_caller]
    pub fn error(&self) -> (u64, String, String) {
        assert!(self.status != 0, "the call succeeded, an error was expected\n{self}");
        let json = self.json();
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        match (json["code"].as_u64(), text("msg")) {
            (Some(code), Some(message)) => (code, message, text("details").unwrap_or_default()),
            _ => panic!("stdout is not a CNI error\n{self}"),
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, stdout, stderr, call } = self;
        write!(f, "{call}\nstatus: {status}\nstdout: {stdout}\nstderr: {stderr}")
    }
}
