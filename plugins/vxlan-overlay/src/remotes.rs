//! The addresses of the other hosts, in the configuration or in a file.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni::Error;

use crate::list::{List, objection, refused};

const LIST: List = List {
    key: "remotes",
    file_key: "remotesFile",
    contents: "the addresses of the other hosts",
    entry: "address of another host",
};

/// How many hosts a list may have: what is for all goes out once for each, and the kernel goes through all of them for each.
const LIMIT_HOSTS: usize = 1000;

/// Those of the key `remotes`.
///
/// # Errors
/// Code 7 naming the entry.
pub(crate) fn listed(texts: &[String]) -> Result<BTreeSet<IpAddr>, Error> {
    let all = LIST.listed(texts, parse)?;
    refuse_as_a_whole(&all, &LIST.place(None)).map(|()| all)
}

/// Those of the file that `remotesFile` names: one on a line, `#` begins a comment.
///
/// # Errors
/// Code 7 naming the file, and its line.
pub(crate) fn in_file(path: &str) -> Result<BTreeSet<IpAddr>, Error> {
    let all = LIST.in_file(path, parse)?;
    refuse_as_a_whole(&all, &LIST.place(Some(path))).map(|()| all)
}

/// # Errors
/// What is wrong with it, as the rest of a sentence that quotes the text.
fn parse(text: &str) -> Result<IpAddr, String> {
    let must = "it must be the address of another host, such as 192.0.2.2 or 2001:db8::2";
    let address: IpAddr = text.parse().map_err(|_| match text.contains('/') {
        true => format!("{must}, without the length of a prefix"),
        false => must.to_owned(),
    })?;
    let found = match address {
        _ if address.is_multicast() => Some("it is a multicast group; put that into group instead of remotes".to_owned()),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(
            "it is a link-local address, which is another host's on every link; name the host by another of its addresses".to_owned(),
        ),
        _ => objection(address),
    };
    found.map_or(Ok(address), Err)
}

/// A VXLAN device sends by one family, that of its first remote (`vxlan_fdb_parse` in the kernel's `vxlan_core.c`).
fn refuse_as_a_whole(all: &BTreeSet<IpAddr>, place: &str) -> Result<(), Error> {
    if all.len() > LIMIT_HOSTS {
        return Err(refused(format!(
            "{place}: {} hosts are more than {LIMIT_HOSTS}, and each of them would get a copy of what is for all; use a multicast \
             group, or divide the network",
            all.len()
        )));
    }
    let of = |is_ipv4: bool| all.iter().find(|address| address.is_ipv4() == is_ipv4);
    match (of(true), of(false)) {
        (Some(ipv4), Some(ipv6)) => Err(refused(format!(
            "{place}: {ipv4} and {ipv6} are of two families, and a LAC has one; name all hosts by IPv4, or all by IPv6"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn listed_of(texts: &[&str]) -> Result<Vec<String>, String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        listed(&texts).map(|all| all.iter().map(ToString::to_string).collect()).map_err(|error| error.msg)
    }

    /// A file that goes with the value.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
            let path = std::env::temp_dir().join(format!("vxlan-overlay-{}-{name}", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }

        fn read(&self) -> Result<Vec<String>, String> {
            let path = self.0.to_str().unwrap();
            let named = |error: Error| error.msg.replace(path, "FILE");
            in_file(path).map(|all| all.iter().map(ToString::to_string).collect()).map_err(named)
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let all: String =
            (0..=1000).map(|number: u32| format!("10.0.{}.{}\n", number / 250, number % 250 + 1)).collect();
        let objection = Written::new("long", &all).read().unwrap_err();
        assert!(objection.contains("1001 hosts are more than 1000"), "{objection}");
        let marked = format!("\u{feff}{}", all.lines().take(1000).collect::<Vec<_>>().join("\r\n"));
        assert_eq!(Written::new("marked", marked).read().unwrap().len(), 1000);
    }

    #[test]
    fn a_list_is_a_set() {
        assert_eq!(
            listed_of(&["192.0.2.3", "192.0.2.2", "192.0.2.3", "169.254.0.1"]).unwrap(),
            ["169.254.0.1", "192.0.2.2", "192.0.2.3"]
        );
        assert_eq!(listed_of(&["2001:db8::2", "2001:DB8:0::2"]).unwrap(), ["2001:db8::2"]);
        assert_eq!(listed_of(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_remote() {
        for (text, part) in [
            ("", "it must be the address of another host"),
            ("host2", "it must be the address of another host"),
            ("192.0.2.2:4789", "it must be the address of another host"),
            (" 192.0.2.2", "it must be the address of another host"),
            ("192.0.2.2/24", "without the length of a prefix"),
            ("239.0.0.1", "a multicast group; put that into group"),
            ("ff05::5", "a multicast group; put that into group"),
            ("0.0.0.0", "of no host"),
            ("::", "of no host"),
            ("127.0.0.1", "this host itself"),
            ("127.9.9.9", "this host itself"),
            ("::1", "this host itself"),
            ("255.255.255.255", "of all hosts"),
            ("fe80::1", "link-local"),
            ("fe80::1%eth0", "it must be the address of another host"),
            ("::ffff:192.0.2.2", "write it as 192.0.2.2"),
        ] {
            let objection = listed_of(&["192.0.2.9", text]).unwrap_err();
            assert!(
                objection.starts_with(&format!("remotes[1] is {text:?}: ")) && objection.contains(part),
                "{objection}"
            );
        }
    }

    #[test]
    fn two_families_are_refused() {
        assert_eq!(
            listed_of(&["2001:db8::2", "192.0.2.2"]).unwrap_err(),
            "remotes: 192.0.2.2 and 2001:db8::2 are of two families, and a LAC has one; name all hosts by IPv4, or all by IPv6"
        );
        let file = Written::new("families", "192.0.2.2\n2001:db8::2\n");
        assert!(
            file.read().unwrap_err().starts_with("remotesFile: FILE: 192.0.2.2 and 2001:db8::2 are of two families")
        );
    }

    #[test]
    fn a_file_has_comments_and_blank_lines() {
        let content = "# the hosts of room 3\n\n192.0.2.3\n  192.0.2.2\t# the old one\r\n   \n#192.0.2.9\n192.0.2.3";
        assert_eq!(Written::new("good", content).read().unwrap(), ["192.0.2.2", "192.0.2.3"]);
        assert_eq!(Written::new("ipv6", "2001:db8::2\n").read().unwrap(), ["2001:db8::2"]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert_eq!(
            Written::new("wrong", "192.0.2.3\n\nhost2 # x\n").read().unwrap_err(),
            "remotesFile: FILE, line 3: \"host2\" is none: it must be the address of another host, such as 192.0.2.2 or 2001:db8::2"
        );
        assert!(
            Written::new("two", "192.0.2.3 192.0.2.4\n")
                .read()
                .unwrap_err()
                .contains("line 1: \"192.0.2.3 192.0.2.4\"")
        );
        assert!(Written::new("bytes", [b'1', 0xff, 0, b'\n']).read().unwrap_err().contains("line 1: "));
        for (name, content) in [("empty", ""), ("comments", "# none yet\n\n")] {
            assert_eq!(
                Written::new(name, content).read().unwrap_err(),
                "remotesFile: FILE has no address of another host; write one on a line"
            );
        }
    }

    #[test]
    fn what_is_no_file() {
        let objection = |path: &str| in_file(path).unwrap_err();
        assert_eq!(
            objection("/nonexistent/hosts").msg,
            "remotesFile: /nonexistent/hosts: No such file or directory (os error 2); write the addresses of the other hosts there, \
             one on a line"
        );
        assert_eq!(objection("/nonexistent/hosts").code, cni::Code::InvalidConfig);
        assert!(objection("hosts").msg.starts_with("remotesFile is \"hosts\": it must be the file's whole path"));
        assert!(objection("/proc").msg.contains("it is a directory"));
        assert!(objection("/dev/zero").msg.contains("it is a device"));
        let long = Written::new("long", vec![b'#'; (1 << 20) + 1]);
        assert!(long.read().unwrap_err().contains("it is longer than 1048576 bytes"));
    }

    proptest! {
        #[test]
        fn no_text_panics(texts in prop::collection::vec("\\PC*|[0-9a-f.:]{0,20}", 0..4)) {
            if let Ok(all) = listed(&texts) {
                prop_assert!(all.len() <= texts.len());
            }
        }
    }
}
