//! The descendants of a process.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills all descendants of a child of ours, and the child. Those whose parent has ended belong to init and are not found.
///
/// Each is stopped before its children are looked for: then it can start no more, nor reap any whose ID could be
/// another's by the time it is killed.
pub(crate) fn kill_all(root: Pid) {
    let mut family = vec![root];
    let _ = kill(root, Signal::SIGSTOP);
    loop {
        let known = family.len();
        for (process, parent) in processes() {
            if family.contains(&parent) && !family.contains(&process) {
                let _ = kill(process, Signal::SIGSTOP);
                family.push(process);
            }
        }
        if family.len() == known {
            break;
        }
    }
    for process in family {
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Every process with its parent.
fn processes() -> Vec<(Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let process: i32 = entry.file_name().to_str()?.parse().ok()?;
        let parent = parent_in(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
        Some((Pid::from_raw(process), Pid::from_raw(parent)))
    });
    processes.collect()
}

/// The parent in a line such as `10 (a name) S 9 ...`, proc_pid_stat(5). The name may have anything in it.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_mislead() {
        assert_eq!(parent_in("10 (sh) S 9 10 10 0"), Some(9));
        assert_eq!(parent_in("10 (a) R 7 (b)) S 9 10 10 0"), Some(9));
        for line in ["", "10 sh S 9", "10 (sh)", "10 (sh) S", "10 (sh) S x"] {
            assert_eq!(parent_in(line), None, "{line}");
        }
    }

    #[test]
    fn children_of_children_go_too_whatever_their_group() {
        let script = "sh -c 'setsid sleep 60 & echo $!; wait' & echo $!; wait";
        let mut shell =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        let started: Vec<i32> = lines.take(2).map(|line| line.unwrap().parse().unwrap()).collect();
        let root = Pid::from_raw(i32::try_from(shell.id()).unwrap());
        kill_all(root);
        shell.wait().unwrap();
        let alive = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
        };
        for _ in 0..500 {
            if !started.iter().any(alive) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("one of {started:?} lives");
    }
}
