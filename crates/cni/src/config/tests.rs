//! Configurations, good and bad.

use keys::FromJson;
use proptest::prelude::*;

use super::*;

const COMMANDS: [Command; 6] =
    [Command::Add, Command::Del, Command::Check, Command::Gc, Command::Status, Command::Version];

fn read(text: &str, command: Command) -> Result<Config, Error> {
    Config::read(text.as_bytes().to_vec(), command)
}

fn add(members: &str) -> Result<Config, Error> {
    read(&format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"bridge"{members}}}"#), Command::Add)
}

#[test]
fn a_configuration_is_kept_byte_by_byte() {
    let text = " {\"cniVersion\": \"0.4.0\",\n \"name\": \"Net_1\", \"type\": \"bridge\", \"ipam\": {\"type\": \"host-local\"}}\n";
    let config = read(text, Command::Check).unwrap();
    assert_eq!(config.version, Version::V0_4_0);
    assert_eq!((config.name.as_str(), config.kind.as_str()), ("Net_1", "bridge"));
    assert_eq!(config.ipam.as_deref(), Some("host-local"));
    assert_eq!((config.prev_result, config.valid_attachments), (None, None));
    assert_eq!(config.text, text.as_bytes());
    assert_eq!(config.object.len(), 4);
}

#[test]
fn what_is_no_json_object_is_code_6() {
    let nested = "[".repeat(1 << 20);
    for text in ["", " \n", "{", "null", "[]", "5", "{} x", "{\"a\":\u{0}}", &nested] {
        for command in COMMANDS {
            assert_eq!(read(text, command).unwrap_err().code, Code::Decode, "{:.20}", text);
        }
        assert_eq!(Config::version_of(text.as_bytes()), Version::LATEST);
    }
    assert_eq!(Config::read(b"{\"name\":\"\xff\"}".to_vec(), Command::Add).unwrap_err().code, Code::Decode);
}

#[test]
fn a_missing_version_is_0_1_0() {
    for version in ["", r#""cniVersion":"","#, r#""cniVersion":null,"#] {
        let text = format!(r#"{{{version}"name":"n","type":"t"}}"#);
        assert_eq!(read(&text, Command::Add).unwrap().version, Version::V0_1_0);
        assert_eq!(Config::version_of(text.as_bytes()), Version::V0_1_0);
    }
}

#[test]
fn an_unknown_version_is_code_1() {
    for (version, code) in [(r#""9.9.9""#, Code::IncompatibleVersion), ("1", Code::InvalidConfig)] {
        let text = format!(r#"{{"cniVersion":{version},"name":"n","type":"t"}}"#);
        assert_eq!(read(&text, Command::Add).unwrap_err().code, code);
        assert_eq!(Config::version_of(text.as_bytes()), Version::LATEST);
    }
}

#[test]
fn a_version_must_know_the_command() {
    for version in Version::ALL {
        let text = format!(r#"{{"cniVersion":"{version}","name":"n","type":"t"}}"#);
        for (command, since) in [
            (Command::Add, Version::V0_1_0),
            (Command::Del, Version::V0_1_0),
            (Command::Check, Version::V0_4_0),
            (Command::Gc, Version::V1_1_0),
            (Command::Status, Version::V1_1_0),
        ] {
            match read(&text, command) {
                Ok(_) => assert!(version >= since, "{version} {command:?}"),
                Err(error) => {
                    assert!(version < since, "{version} {command:?}");
                    assert_eq!(error.code, Code::IncompatibleVersion);
                    let start = format!("config version does not allow {}", command.as_str());
                    assert!(error.msg.starts_with(&start), "{}", error.msg);
                }
            }
        }
    }
}

#[test]
fn names_that_are_missing_or_bad_are_code_7() {
    for (text, part) in [
        (r#"{"type":"t"}"#, "no \"name\""),
        (r#"{"name":null,"type":"t"}"#, "no \"name\""),
        (r#"{"name":"","type":"t"}"#, "name is \"\""),
        (r#"{"name":"a/b","type":"t"}"#, "name is \"a/b\""),
        (r#"{"name":5,"type":"t"}"#, "name is 5: it must be a string in quotes"),
        (r#"{"name":"n","type":"../t"}"#, "type is \"../t\""),
        (r#"{"name":"n","type":"t","ipam":{"type":"/bin/sh"}}"#, "ipam.type is \"/bin/sh\""),
        (r#"{"name":"n","type":"t","ipam":{"type":5}}"#, "ipam.type is 5"),
        (r#"{"name":"n","type":"t","ipam":"host-local"}"#, "ipam is \"host-local\""),
    ] {
        let error = read(text, Command::Add).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(error.msg.contains(part), "{}", error.msg);
        // A removal needs the network's name, and for all but the addresses nothing else.
        match read(text, Command::Del) {
            Err(error) => assert!(part.contains("name") && error.msg.contains(part), "{}", error.msg),
            Ok(config) => {
                let told = config.ignored.iter().chain(&config.ipam_objection).any(|error| error.msg.contains(part));
                assert!(told, "{config:?}");
            }
        }
    }
    assert_eq!(read("{}", Command::Version).unwrap().name, "");
}

#[test]
fn a_type_may_be_missing() {
    for text in [r#"{"name":"n"}"#, r#"{"name":"n","type":null}"#, r#"{"name":"n","type":""}"#] {
        for command in [Command::Add, Command::Del] {
            let config = read(text, command).unwrap();
            assert_eq!((config.ignored.len(), config.kind.as_str()), (0, ""));
        }
    }
}

#[test]
fn no_ipam_is_written_in_many_ways() {
    for ipam in ["", r#","ipam":null"#, r#","ipam":{}"#, r#","ipam":{"type":""}"#, r#","ipam":{"type":null}"#] {
        assert_eq!(add(ipam).unwrap().ipam, None);
    }
}

#[test]
fn prev_result_is_read_where_it_matters() {
    assert_eq!(add("").unwrap().prev_result, None);
    assert_eq!(add(r#","prevResult":null"#).unwrap().prev_result, None);
    let good = add(r#","prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.5/24"}]}"#).unwrap();
    assert_eq!(good.prev_result.unwrap().ips.len(), 1);
    let bad = r#","prevResult":{"ips":[{"address":"10.1.0.5"}]}"#;
    let error = add(bad).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.msg.starts_with("prevResult.ips[0].address: \"10.1.0.5\""), "{}", error.msg);
    let text = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"t"{bad}}}"#);
    read(&text, Command::Gc).unwrap();
}

#[test]
fn gc_reads_the_newer_list_first() {
    let gc = |members: &str| {
        let text = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"t"{members}}}"#);
        read(&text, Command::Gc).map(|config| config.valid_attachments)
    };
    let id = |container: &str| AttachmentId { container_id: container.into(), if_name: "eth0".into() };
    let new = r#","cni.dev/valid-attachments":[{"containerID":"new","ifname":"eth0","more":1}]"#;
    let old = r#","cni.dev/attachments":[{"containerID":"old","ifname":"eth0"}]"#;
    assert_eq!(gc(&format!("{old}{new}")), Ok(Some(vec![id("new")])));
    assert_eq!(gc(old), Ok(Some(vec![id("old")])));
    assert_eq!(gc(&format!(r#"{old},"cni.dev/valid-attachments":null"#)), Ok(Some(vec![id("old")])));
    assert_eq!(gc(r#","cni.dev/valid-attachments":[]"#), Ok(Some(vec![])));
    assert_eq!(gc(""), Ok(None));
    let error = gc(r#","cni.dev/valid-attachments":[{"containerID":5}]"#).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(
        error.msg.starts_with("cni.dev/valid-attachments[0].containerID is 5: it must be a string"),
        "{}",
        error.msg
    );
    add(r#","cni.dev/valid-attachments":7,"cni.dev/future":{}"#).unwrap();
}

proptest! {
    #[test]
    fn no_text_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for command in COMMANDS {
            let _ = Config::read(bytes.clone(), command);
        }
        let _ = Config::version_of(&bytes);
        let _ = crate::version_reply(&bytes);
    }

    #[test]
    fn no_member_panics(
        key in prop_oneof![Just("cniVersion"), Just("name"), Just("type"), Just("ipam"), Just("prevResult"),
            Just("cni.dev/attachments"), Just("args"), Just("runtimeConfig"), Just("ipamm")],
        value in prop_oneof![
            Just("null".to_owned()), Just("{}".to_owned()), Just("[]".to_owned()), Just("[{}]".to_owned()),
            Just(r#"{"type":"a/b"}"#.to_owned()), Just(r#"{"ips":[{}]}"#.to_owned()),
            any::<i64>().prop_map(|number| number.to_string()), "\"[a-z0-9./]{0,8}\"",
        ],
    ) {
        let text = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"t","{key}":{value}}}"#);
        for command in COMMANDS {
            if let Ok(config) = read(&text, command) {
                let _ = config.remarks(&[keys::BridgeKeys::NAMES]);
                let _ = config.keys::<keys::NicKeys>();
                let _ = config.capability::<Vec<String>>("ips");
                let _ = config.arg::<Vec<String>>("ips");
            }
        }
    }
}
