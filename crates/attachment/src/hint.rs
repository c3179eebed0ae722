//! Hints behind the system's words.

/// What to do about an error number, to stand behind the system's words; empty where they say enough.
pub(crate) fn hint(errno: Option<i32>) -> &'static str {
    match errno {
        Some(libc::ENOMEM | libc::ENOBUFS) => {
            " (the kernel has no memory, or no room in a table, left for it: `dmesg` may say which)"
        }
        Some(libc::EMFILE) => {
            " (raise the limit of open files of what calls the plugin: `ulimit -n`, or LimitNOFILE= of its unit)"
        }
        Some(libc::ENFILE) => " (raise the host's limit of open files: `sysctl fs.file-max`)",
        Some(libc::ENOSPC) => {
            " (a limit of the host is reached; for network namespaces it is `sysctl user.max_net_namespaces`, for files the file \
             system's)"
        }
        Some(libc::EXFULL | libc::EUSERS) => {
            " (the kernel has as many of them as it can have: remove what is no longer needed)"
        }
        Some(libc::ELOOP) => " (the devices would lead to each other in a loop, or too deep: name another one)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_say_nothing_have_a_hint() {
        for errno in [
            libc::ENOMEM,
            libc::ENOBUFS,
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOSPC,
            libc::EXFULL,
            libc::EUSERS,
            libc::ELOOP,
        ] {
            assert!(hint(Some(errno)).starts_with(" ("), "{errno}");
        }
        assert_eq!(hint(Some(libc::EPERM)), "");
        assert_eq!(hint(None), "");
    }
}
