//! The distributions are those that `tc` ships under the same names.

use shaping::Distribution;

/// Where distributions of Linux keep the files.
const DIRECTORIES: [&str; 3] = ["/usr/lib/x86_64-linux-gnu/tc", "/usr/lib/tc", "/usr/lib64/tc"];

fn shipped(name: &str) -> Vec<i16> {
    let text =
        DIRECTORIES.iter().find_map(|directory| std::fs::read_to_string(format!("{directory}/{name}.dist")).ok());
    let text =
        text.unwrap_or_else(|| panic!("iproute2 is installed: there is a {name}.dist in one of {DIRECTORIES:?}"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(|number| number.parse().unwrap()).collect()
}

/// In jitters, from early to late.
fn sorted(table: &[i16]) -> Vec<f64> {
    let mut jitters: Vec<f64> = table.iter().map(|entry| f64::from(*entry) / 8192.0).collect();
    jitters.sort_by(f64::total_cmp);
    jitters
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap())
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: Vec<f64> = values.iter().map(|value| (value - mean).powi(2)).collect();
    squares.iter().sum::<f64>().sqrt() / f64::from(u32::try_from(values.len()).unwrap()).sqrt()
}

/// What `tc` ships is cut at four jitters, so that its mean is early by `early`; ours is moved back to the delay asked.
#[track_caller]
fn same_but_for_its_mean(ours: &Distribution, name: &str, early: f64) {
    let (ours, theirs) = (sorted(&ours.table().unwrap()), sorted(&shipped(name)));
    assert_eq!(ours.len(), theirs.len());
    let gap = mean(&ours) - mean(&theirs);
    println!("{name}: deviation {:.4} and {:.4}, mean later by {gap:.4}", deviation(&ours), deviation(&theirs));
    assert!(mean(&ours).abs() < 0.0001, "{name}: mean {}", mean(&ours));
    assert!((gap - early).abs() < 0.002, "{name}: {gap}");
    assert!((deviation(&ours) - deviation(&theirs)).abs() < 0.01 * deviation(&theirs), "{name}");
    // Every hundredth, but not the very ends, where the shipped ones are ragged.
    for hundredth in 1..100 {
        let place = ours.len() * hundredth / 100;
        let (own, other) = (ours[place] - gap, theirs[place]);
        assert!((own - other).abs() < 0.02 * other.abs().max(1.0), "{name} at {hundredth} %: {own} and {other}");
    }
}

#[test]
fn normal_is_what_tc_calls_so() {
    same_but_for_its_mean(&Distribution::Normal, "normal", 0.0008);
}

#[test]
fn pareto_is_what_tc_calls_so() {
    same_but_for_its_mean(&Distribution::Pareto, "pareto", 0.0335);
}

#[test]
fn paretonormal_is_what_tc_calls_so() {
    same_but_for_its_mean(&Distribution::ParetoNormal, "paretonormal", 0.0253);
}
