//! A device of the host that moves into a container and comes back. One end of a veth pair stands for a physical one.

use std::path::Path;

use attachment::{
    Creation, Description, Device, Finder, HostDevice, Identity, Item, LinkRoute, LinkUp, Object, Session, Side,
    SurveyedDevice, Tag, Valid, Veth, collect, collection_commands, commands, differences, inside, owned_devices,
    remove_device,
};
use harness::{Host, Snapshot, ip, sh};
use netlink::{Mac, Namespace, route};

const CONTAINER: &str = "vn1";
const PB: &str = "pbvd4zojfh5w7vp";
const MAC: Mac = Mac([0x02, 0, 0, 0, 0x77, 0x77]);

fn identity() -> Identity {
    Identity::new("home-net", CONTAINER, "eth1")
}

/// The host with its device, and the container.
struct Place {
    _host: Host,
    container: harness::Namespace,
}

impl Place {
    /// A device with the things that it must get back.
    fn new() -> Self {
        let host = Host::enter();
        let container = host.namespace(CONTAINER);
        sh("ip link add ens3 address 02:00:00:00:00:01 mtu 1400 type veth peer name wire && ip link set wire up").ok();
        sh("ip link set ens3 up alias \"the roof's\" && ip address add 192.0.2.7/24 brd + dev ens3").ok();
        sh("ip address add 2001:db8::7/64 dev ens3 nodad").ok();
        Self { _host: host, container }
    }

    fn session(&self) -> Session {
        Session::new(Some(Namespace::open(&self.container.path).unwrap()))
    }

    fn look(&self) -> Snapshot {
        Snapshot::take::<&Path>(&[&self.container], &[])
    }

    fn make(&self) -> Creation {
        let mut session = self.session();
        let mut creation = Creation::new();
        let description = described(object(&mut session, true));
        creation.make(&mut session, description).unwrap();
        creation
    }

    fn link(&self, name: &str) -> String {
        self.container.sh(&format!("ip -d -o link show {name}")).ok()
    }
}

fn object(session: &mut Session, force: bool) -> HostDevice {
    let device = SurveyedDevice::of(session, "ens3", &identity(), force).unwrap();
    HostDevice { device: Some(device), mtu: Some(1300), mac: Some(MAC), ..HostDevice::of(identity()) }
}

fn own(object: impl Object + 'static) -> Item {
    Item::Object(Box::new(object))
}

fn described(object: HostDevice) -> Description {
    [own(object), own(LinkUp { device: Device::container("eth1") })].into_iter().collect()
}

fn refusal(device: &str, force: bool) -> String {
    SurveyedDevice::of(&mut Session::new(None), device, &identity(), force).unwrap_err().to_string()
}

#[test]
fn a_device_moves_in_under_the_name_that_was_asked_for_and_comes_back() {
    let place = Place::new();
    // Both names that the kernel might give it are taken.
    place.container.sh("ip link add ens3 type bridge && ip link add ens4 type bridge").ok();
    let before = place.look();
    place.make();
    let link = place.link("eth1");
    assert!(link.contains("mtu 1300 ") && link.contains(&format!("link/ether {MAC} ")), "{link}");
    let was = format!(
        ", was ens3 in {} mtu 1400 mac 02:00:00:00:00:01 up 192.0.2.7/24 2001:db8::7/64 alias the roof's",
        Namespace::own_inode().unwrap()
    );
    assert!(link.contains("alias plugboard: eth1 on home-net of vn1 as pbvd4zojfh5w7vp/"), "{link}");
    assert!(link.contains(&was), "{link}");
    assert_eq!(sh("ip -o link").ok().matches("ens3").count(), 0);
    let compared = HostDevice { mtu: Some(1300), mac: Some(MAC), ..HostDevice::of(identity()) };
    let found = |compared: HostDevice| {
        let differences = differences(&mut place.session(), &described(compared)).unwrap();
        differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found(compared), [""; 0]);
    assert_eq!(found(HostDevice::of(identity())).len(), 2, "MTU and address are not the device's own");
    // Whatever the container does with it.
    place
        .container
        .sh("ip link set eth1 down && ip link set eth1 mtu 1280 address 02:00:00:00:00:99 && ip link set eth1 up")
        .ok();
    HostDevice::of(identity()).remove(&mut place.session()).unwrap();
    assert_eq!(place.look(), before);
    HostDevice::of(identity()).remove(&mut place.session()).unwrap();
    HostDevice::anywhere(identity()).remove(&mut place.session()).unwrap();
    assert_eq!(place.look(), before, "there is nothing left to do");
}

#[test]
fn a_device_of_anothers_in_the_container_stays() {
    let place = Place::new();
    place.make();
    let before = place.look();
    for identity in [Identity::new("home-net", "vn2", "eth1"), Identity::new("walt-net", CONTAINER, "eth1")] {
        HostDevice::anywhere(identity).remove(&mut place.session()).unwrap();
    }
    place.container.sh("ip link add eth2 type bridge").ok();
    HostDevice::anywhere(identity().beside("eth2")).remove(&mut place.session()).unwrap();
    place.container.sh("ip link delete eth2").ok();
    assert_eq!(place.look(), before);
}

#[test]
fn what_fails_later_gives_it_back() {
    let place = Place::new();
    let before = place.look();
    let mut session = place.session();
    let mut creation = Creation::new();
    let mut description = described(object(&mut session, true));
    let gateway = Some("198.51.100.1".parse().unwrap());
    let route = route::Route::new("0.0.0.0/0".parse().unwrap(), gateway);
    description.push(own(LinkRoute::new(Device::container("eth1"), route)));
    let error = creation.make(&mut session, description).unwrap_err().to_string();
    assert!(error.contains("198.51.100.1"), "{error}");
    assert!(place.link("eth1").contains(", was ens3 "));
    assert!(creation.undo(&mut session).is_empty());
    assert_eq!(place.look(), before);
}

/// The name is taken between the question and the move: the kernel has moved the device then, and not renamed it.
#[test]
fn a_move_that_is_half_done_is_undone() {
    let place = Place::new();
    place.container.sh("ip link add eth1 type bridge").ok();
    let before = place.look();
    let mut session = place.session();
    let mut creation = Creation::new();
    let description = described(object(&mut session, true));
    assert!(object(&mut session, true).refuse_existing(&mut session).is_err());
    let error = creation.make(&mut session, description).unwrap_err().to_string();
    assert!(error.contains("move device ens3") && error.contains("File exists"), "{error}");
    assert!(place.link("ens3").contains(", was ens3 "), "it lies in the container");
    assert!(creation.undo(&mut session).is_empty());
    assert_eq!(place.look(), before);
}

#[test]
fn a_device_that_vanishes_in_the_middle_leaves_nothing() {
    let place = Place::new();
    let mut session = place.session();
    let description = described(object(&mut session, true));
    sh("ip link delete ens3").ok();
    let before = place.look();
    let mut creation = Creation::new();
    let error = creation.make(&mut session, description).unwrap_err().to_string();
    assert_eq!(error, "device ens3 is gone");
    assert!(creation.undo(&mut session).is_empty());
    assert_eq!(place.look(), before);
}

/// Another device gets the name of the one that was looked at: it is not the one that moves.
#[test]
fn a_device_is_told_by_its_index() {
    let place = Place::new();
    let mut session = place.session();
    let description = described(object(&mut session, true));
    sh("ip link set ens3 down && ip link set ens3 name ens9 && ip link add ens3 type bridge").ok();
    Creation::new().make(&mut session, description).unwrap();
    assert!(place.link("eth1").contains(" veth "), "{}", place.link("eth1"));
    assert_eq!(sh("ip -o link show type bridge").ok().matches("ens3").count(), 1);
}

/// What a kill, or the death of the namespace, may leave, each by the commands that come to it.
#[test]
fn whatever_a_kill_leaves_is_given_back_by_del_and_by_gc() {
    const FINDERS: [&Finder; 2] = [Veth::COLLECTOR, HostDevice::FINDER];
    let moved = |name: &str| format!("ip -n {CONTAINER} link set eth1 netns $$ name {name}");
    let left: [(&str, String); 7] = [
        ("as itself", moved("eth1")),
        ("as devN", moved("dev7")),
        ("under the derived name", moved(PB)),
        ("with its address", moved(PB) + " && ip link set " + PB + " address 02:00:00:00:00:01 mtu 1400"),
        ("with its name, and up", moved("ens3") + " && ip link set ens3 up mtu 1400"),
        (
            "with all but its alias",
            moved("ens3")
                + " && ip link set ens3 address 02:00:00:00:00:01 mtu 1400 && ip link set ens3 up && \
             ip address add 192.0.2.7/24 brd + dev ens3 && ip address add 2001:db8::7/64 dev ens3 nodad",
        ),
        ("up by somebody else", moved("eth1") + " && ip link set eth1 up"),
    ];
    for (what, script) in left {
        for by_gc in [false, true] {
            println!("{what}, {}", if by_gc { "GC" } else { "DEL" });
            std::thread::spawn({
                let script = script.clone();
                move || {
                    let place = Place::new();
                    let before = place.look();
                    place.make();
                    sh(&script).ok();
                    assert_ne!(place.look(), before);
                    let mut session = Session::new(None);
                    let valid: Valid = [identity()].into_iter().collect();
                    let as_left = place.look();
                    assert!(collect(&mut session, &FINDERS, "home-net", &valid).is_empty());
                    assert!(collect(&mut session, &FINDERS, "walt-net", &Valid::default()).is_empty());
                    assert_eq!(place.look(), as_left, "that of a valid attachment, or of another network, stays");
                    if by_gc {
                        let errors = collect(&mut Session::new(None), &FINDERS, "home-net", &Valid::default());
                        assert!(errors.is_empty(), "{errors:?}");
                    } else {
                        Veth::of(identity()).remove(&mut session).unwrap();
                        HostDevice::anywhere(identity()).remove(&mut session).unwrap();
                    }
                    assert_eq!(place.look(), before);
                }
            })
            .join()
            .unwrap();
        }
    }
}

#[test]
fn a_name_that_is_taken_by_then_is_said_and_the_device_waits() {
    let place = Place::new();
    let before = place.look();
    place.make();
    sh("ip link add ens3 type bridge").ok();
    let error = HostDevice::of(identity()).remove(&mut place.session()).unwrap_err().to_string();
    assert_eq!(
        error,
        "another device has the name ens3 by now, so what had it before stays pbvd4zojfh5w7vp, down, with its alias; \
         rename the other one, and run DEL or GC again"
    );
    let link = ip(&format!("link show {PB}"))[0].clone();
    assert!(link["ifalias"].as_str().unwrap().contains(", was ens3 ") && link["operstate"] == "DOWN", "{link}");
    sh("ip link delete ens3").ok();
    HostDevice::of(identity()).remove(&mut Session::new(None)).unwrap();
    assert_eq!(place.look(), before);
}

#[test]
fn one_whose_plugin_cannot_be_called_is_given_back_and_not_deleted() {
    let place = Place::new();
    let before = place.look();
    place.make();
    sh(&format!("ip -n {CONTAINER} link set eth1 netns $$")).ok();
    let mut session = Session::new(None);
    let devices = owned_devices(&mut session).unwrap();
    let [device] = devices.as_slice() else { panic!("{devices:?}") };
    assert!(device.is_of(&identity()) && device.in_use.is_none() && !device.is_cut, "{device:?}");
    assert_eq!(device.owner_in(CONTAINER), Some(identity()));
    remove_device(&mut session, device).unwrap();
    assert_eq!(place.look(), before);
}

/// The kernel makes the main table with the first address; `lo` that is down has none.
#[test]
fn a_host_without_any_address_has_no_default_route() {
    let _host = Host::enter();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    sh("ip link add ens3 up type veth peer name wire").ok();
    SurveyedDevice::of(&mut Session::new(None), "ens3", &identity(), false).unwrap();
}

#[test]
fn what_may_not_move_is_refused_and_the_refusal_says_whose_it_is() {
    let place = Place::new();
    sh("ip link add br0 type bridge && ip link add p0 type veth peer name p1 && ip link set p0 master br0").ok();
    sh("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up").ok();
    sh("ip route add default dev up0").ok();
    let origin = SurveyedDevice::of(&mut Session::new(None), "p1", &identity(), false).unwrap().origin;
    sh("ip link add o0 type veth peer name o1").ok();
    for (device, alias) in [
        ("o0", Identity::new("walt-net", "vn7", "eth3").moved_alias(&origin, "SEAL").unwrap()),
        ("o1", identity().moved_alias(&origin, "SEAL").unwrap()),
        ("br0", Tag::shared("home-net")),
        ("p1", Identity::new("walt-net", "vn7", "eth3").alias()),
    ] {
        sh(&format!("ip link set {device} alias '{alias}'")).ok();
    }
    let before = place.look();
    for (device, expected) in [
        ("ens9", "there is no device ens9 on the host; name one that `ip link` shows there"),
        ("a-name-that-is-too-long", "there is no device a-name-that-is-too-long on the host; name one"),
        ("lo", "device lo is the loopback device; name another one"),
        ("ens3", "device ens3 has addresses of the host (192.0.2.7/24, 2001:db8::7/64); remove them, or ask for"),
        ("p0", "device p0 is a port of bridge br0; take it out with `ip link set p0 nomaster`, or name another one"),
        ("up0", "device up0 is the way of the host's default route; name another one"),
        ("o0", "device o0 is another attachment's (eth3 on walt-net of vn7); run DEL for that one, or GC"),
        ("o1", "device o1 is left of an earlier ADD of this attachment; run DEL or GC, which make it what it was"),
        ("br0", "device br0 serves attachments (shared by home-net); name a device that nobody uses"),
        ("p1", "device p1 is an attachment's own (eth3 on walt-net of vn7); name a device that nobody uses"),
    ] {
        let error = refusal(device, false);
        assert!(error.starts_with(expected), "{error}");
    }
    sh(&format!("ip link set ens3 alias '{}'", "x".repeat(200))).ok();
    let error = refusal("ens3", true);
    assert!(error.contains("cannot be given back with its addresses and its alias"), "{error}");
    sh("ip link set ens3 alias \"the roof's\"").ok();
    sh("ip address add 192.0.2.9 peer 192.0.2.10 dev ens3").ok();
    assert!(refusal("ens3", true).contains("point-to-point address 192.0.2.9/32"), "{}", refusal("ens3", true));
    sh("ip address del 192.0.2.9 peer 192.0.2.10 dev ens3").ok();
    assert_eq!(place.look(), before);
}

/// The call knows no namespace, or GC that no such attachment is left; but its namespace lives.
#[test]
fn one_in_a_living_namespace_comes_back_too() {
    let place = Place::new();
    let before = place.look();
    place.make();
    let elsewhere =
        "device ens3 is another attachment's (eth1 on home-net of vn1); run DEL for that one, or name another";
    assert!(refusal("ens3", false).starts_with(elsewhere), "{}", refusal("ens3", false));
    let as_made = place.look();
    HostDevice::of(identity()).remove(&mut Session::new(None)).unwrap();
    let valid: Valid = [identity()].into_iter().collect();
    assert!(collect(&mut Session::new(None), &[HostDevice::FINDER], "home-net", &valid).is_empty());
    assert!(collect(&mut Session::new(None), &[HostDevice::FINDER], "walt-net", &Valid::default()).is_empty());
    assert_eq!(place.look(), as_made);
    // Another host, such as a container that runs containers, may have a network of the same name.
    let reached = place.container.spawn("sleep 60");
    let other = std::thread::spawn(|| {
        let _host = Host::enter();
        HostDevice::anywhere(identity()).remove(&mut Session::new(None)).unwrap();
        assert!(collect(&mut Session::new(None), &[HostDevice::FINDER], "home-net", &Valid::default()).is_empty());
        assert_eq!(sh("ip -o link").ok().lines().count(), 1, "only lo");
    });
    other.join().unwrap();
    drop(reached);
    assert_eq!(place.look(), as_made);
    HostDevice::anywhere(identity()).remove(&mut Session::new(None)).unwrap();
    assert_eq!(place.look(), before);
    place.make();
    let mut looking = Session::looking(None, Vec::new());
    let (commands, errors) = collection_commands(&mut looking, &[HostDevice::FINDER], "home-net", &Valid::default());
    assert!(errors.is_empty() && commands[0].starts_with("# eth1 of eth1 on home-net of vn1"), "{commands:#?}");
    by_hand(commands, &place.container);
    assert_eq!(place.look(), before);
    place.make();
    assert!(collect(&mut Session::new(None), &[HostDevice::FINDER], "home-net", &Valid::default()).is_empty());
    assert_eq!(place.look(), before);
}

#[test]
fn what_the_kernel_does_not_move_is_said() {
    let place = Place::new();
    sh("ip link add br0 type bridge").ok();
    let before = place.look();
    let mut session = place.session();
    let device = SurveyedDevice::of(&mut session, "br0", &identity(), false).unwrap();
    let object = HostDevice { device: Some(device), ..HostDevice::of(identity()) };
    let mut creation = Creation::new();
    let error = creation.make(&mut session, described(object)).unwrap_err().to_string();
    assert!(error.starts_with("device br0 cannot leave its network namespace (Invalid argument"), "{error}");
    assert!(creation.undo(&mut session).is_empty());
    assert_eq!(place.look(), before);
}

/// Runs each command but for comments, as `plugboard` prints them.
fn by_hand(commands: Vec<String>, container: &harness::Namespace) {
    for command in inside(commands, &container.path) {
        sh(&command).ok();
    }
}

#[test]
fn the_printed_commands_do_the_same() {
    let place = Place::new();
    let before = place.look();
    place.make();
    let made = place.look();
    HostDevice::of(identity()).remove(&mut place.session()).unwrap();
    let object = object(&mut place.session(), true);
    by_hand(commands(&described(object)), &place.container);
    assert_eq!(place.look(), made);
    let namespace = || Some(Namespace::open(&place.container.path).unwrap());
    let mut looking = Session::looking(namespace(), Vec::new());
    let removal = HostDevice::of(identity()).removal_commands(&mut looking).unwrap();
    by_hand(removal, &place.container);
    assert_eq!(place.look(), before);
    place.make();
    sh(&format!("ip -n {CONTAINER} link set eth1 netns $$")).ok();
    let mut looking = Session::looking(None, Vec::new());
    let (collection, errors) =
        collection_commands(&mut looking, &[HostDevice::FINDER, Veth::COLLECTOR], "home-net", &Valid::default());
    assert!(errors.is_empty(), "{errors:?}");
    by_hand(collection, &place.container);
    assert_eq!(place.look(), before);
    let mut looking = Session::looking(namespace(), Vec::new());
    assert_eq!(HostDevice::anywhere(identity()).removal_commands(&mut looking).unwrap(), [""; 0]);
    assert!(looking.find(&Device { side: Side::Host, name: "ens3".to_owned() }).unwrap().is_some());
}
