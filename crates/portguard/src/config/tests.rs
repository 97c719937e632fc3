//! The configuration as operators write it: what holds, what is refused and with which words.

use std::{fmt::Write as _, fs, path::PathBuf};

use tempfile::TempDir;

use super::{key::Step, *};

/// Each wrong configuration, and what is said of it.
const MISTAKES: &str = include_str!("tests/mistakes.txt");

#[test]
fn every_mistake_is_named_with_file_line_and_key() {
    let cases = MISTAKES.split("\n====").skip(1);
    let mut wrong = String::new();
    for case in cases {
        let (title, case) = case.split_once('\n').unwrap();
        let (text, expect) = case.split_once("\n----").unwrap();
        let found = Files::new(&[("portguard.toml", text)]).mistakes();
        if found.trim() != expect.trim() {
            writeln!(wrong, "===={title}\n{text}\n----\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_key_can_be_written() {
    let files = Files::new(&[("portguard.toml", include_str!("tests/whole.toml"))]);
    let config = files.load().config;
    let written = Files::new(&[("portguard.toml", &config.to_toml())]).load().config;
    assert_eq!(written.to_toml(), config.to_toml());
    let lines = include_str!("tests/whole.toml").parse().unwrap();
    assert_eq!(missing(&super::schema(), &lines), Vec::<String>::new());
}

#[test]
fn nothing_written_means_the_defaults_and_they_hold() {
    let config = Files::new(&[("portguard.toml", "")]).load();
    assert_eq!(config.config.to_toml(), Config::default().to_toml());
    assert_eq!(config.warnings, Vec::<String>::new());
    let shown = Files::new(&[("portguard.toml", &Config::default().to_toml())]).load();
    assert_eq!(shown.config.to_toml(), Config::default().to_toml());
    assert_eq!(shown.warnings, Vec::<String>::new());
}

#[test]
fn a_named_file_that_is_missing_is_a_mistake_the_default_one_is_not() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("portguard.toml");
    let mistakes = load(&file, &Surroundings::default()).unwrap_err();
    let expect = format!("cannot read {}: No such file or directory (os error 2)", file.display());
    assert_eq!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>(), [expect]);
}

#[test]
fn drop_ins_merge_tables_append_lists_of_tables_and_win_otherwise() {
    let files = Files::new(&[
        (
            "portguard.toml",
            "[ladders.trap]\nbase = '2h'\nmax = '9d'\n[[traps]]\nports = [23]\n[allow]\naddresses = ['192.0.2.1']\n[[ports.approve]]\nuser = 'a'\n",
        ),
        ("conf.d/20-b.toml", "[ladders.trap]\nbase = '4h'\n"),
        (
            "conf.d/10-a.toml",
            "[ladders.trap]\nbase = '3h'\n[[traps]]\nports = [24]\n[allow]\naddresses = ['192.0.2.2']\n[[ports.approve]]\nuser = 'b'\n",
        ),
        ("conf.d/30-c.toml.orig", "nonsense"),
    ]);
    let config = files.load().config;
    let ladder = config.ladder("trap");
    assert_eq!(ladder.base.as_secs(), 4 * 3_600);
    assert_eq!(ladder.max.to_string(), "1w2d");
    let labels: Vec<_> = config.trap_plans().iter().map(|plan| plan.label.to_string()).collect();
    assert_eq!(labels, ["trap tcp/23", "trap tcp/23", "trap tcp/24", "trap tcp/24"]);
    let allowed: Vec<_> = config.allow.addresses.iter().map(|one| one.0.to_string()).collect();
    assert_eq!(allowed, ["192.0.2.2"]);
    assert_eq!(config.ports.approve.len(), 2);
}

#[test]
fn a_mistake_in_a_drop_in_is_placed_there() {
    let files = Files::new(&[
        ("portguard.toml", "[[traps]]\nports = [23]\n[[ports.approve]]\nuser = 'a'\n"),
        (
            "conf.d/10-a.toml",
            "\n[[traps]]\nports = [24]\nbase = 'x'\n[[ports.approve]]\nusr = 'b'\n",
        ),
        ("conf.d/20-b.toml", "[[traps]]\nports = [23]\n"),
        ("conf.d/30-c.toml", "[guard\n"),
    ]);
    assert_eq!(files.mistakes(), "conf.d/30-c.toml:1: unclosed table, expected `]`\n");
    fs::remove_file(files.path("conf.d/30-c.toml")).unwrap();
    assert_eq!(
        files.mistakes(),
        "conf.d/10-a.toml:4: traps[1].base: `x` is no duration; write it like `90s`, `10m`, `1d12h` or `forever`\n\
         conf.d/10-a.toml:6: ports.approve[1].usr: unknown key; nearest is `user`\n"
    );
    fs::write(files.path("conf.d/10-a.toml"), "").unwrap();
    assert_eq!(
        files.mistakes(),
        "conf.d/20-b.toml:2: traps[1].ports[0]: tcp/23 is a trap already by traps[0].ports[0] (portguard.toml:2)\n"
    );
}

#[test]
fn a_drop_in_can_be_tried_before_it_is_written() {
    let files = Files::new(&[
        ("portguard.toml", "[[traps]]\nports = [23]\n"),
        ("conf.d/50-port-trap.toml", "[[traps]]\nports = [24]\n"),
    ]);
    let drop_in = files.path("conf.d/50-port-trap.toml");
    let ports = |text| {
        let around = Surroundings::default();
        let loaded = load_with(&files.path("portguard.toml"), &around, &drop_in, text);
        let plans = loaded.map(|loaded| loaded.config.trap_plans());
        plans.map(|plans| plans.iter().step_by(2).map(|plan| plan.port.number).collect::<Vec<_>>())
    };
    assert_eq!(ports(None).unwrap(), [23]);
    assert_eq!(ports(Some("[[traps]]\nports = [25]\n")).unwrap(), [23, 25]);
    let place = ports(Some("[[traps]]\nports = [23]\n")).unwrap_err()[0].place.clone().unwrap();
    assert_eq!((&*place.file, place.line), (drop_in.to_str().unwrap(), 2));
}

#[test]
fn a_ladder_takes_what_it_leaves_out_from_the_default_one() {
    let text = "[ladders.default]\nmax = '5d'\nprefix_v6 = 48\n[ladders.slow]\nbase = '1d'\n[ladders.trap]\nprefix_v6 = 56\n";
    let config = Files::new(&[("portguard.toml", text)]).load().config;
    let told = |name| {
        let ladder = config.ladder(name);
        let spans: Vec<_> = (1..=3).map(|nth| ladder.ban_span(nth).to_string()).collect();
        format!("{} /{}", spans.join(" "), ladder.prefix_v6)
    };
    assert_eq!(told("default"), "10m 20m 40m /48");
    assert_eq!(told("slow"), "1d 2d 4d /48");
    assert_eq!(told("trap"), "1h 4h forever /56");
}

#[test]
fn a_trap_stands_once_for_each_family_and_port() {
    let text = "
        [[traps]]
        ports = ['tcp/23', 6000, '6005-6006']
        base = '2h'
        [[traps]]
        ports = [53]
        protocol = 'udp'
        family = 'ipv6'
        ladder = 'default'
        [[traps]]
        ports = [23]
        protocol = 'udp'
        address = '192.0.2.1'";
    let config = Files::new(&[("portguard.toml", text)]).load().config;
    let told: Vec<_> = config
        .trap_plans()
        .iter()
        .map(|plan| {
            let base = plan.ladder.ban_span(1);
            let address = plan.bound_address();
            format!("{} {} {address} {:?} {base}", plan.label, plan.family, plan.evidence)
        })
        .collect();
    let expect = "trap tcp/23 ipv4 0.0.0.0 Handshake 2h
        trap tcp/6000 ipv4 0.0.0.0 Handshake 2h
        trap tcp/6005 ipv4 0.0.0.0 Handshake 2h
        trap tcp/6006 ipv4 0.0.0.0 Handshake 2h
        trap tcp/23 ipv6 :: Handshake 2h
        trap tcp/6000 ipv6 :: Handshake 2h
        trap tcp/6005 ipv6 :: Handshake 2h
        trap tcp/6006 ipv6 :: Handshake 2h
        trap udp/53 ipv6 :: Probe 10m
        trap udp/23 ipv4 192.0.2.1 Probe 1h";
    assert_eq!(told, expect.lines().map(str::trim).collect::<Vec<_>>());
}

#[test]
fn what_has_no_effect_yet_is_told_once_it_differs_from_its_default() {
    let text = "
        [firewall]
        icmp = 'all'
        log_blocked = true
        [ports]
        always = ['tcp/22', 'tcp/80']
        never = ['tcp/3306']
        [services.ssh]
        rate = '20/minute'
        [[watch]]
        name = 'sshd'
        rule = 'sshd'
        files = ['/var/log/auth.log']
        [metrics]
        listen = '127.0.0.1:9100'
        [web]
        listen = '127.0.0.1:6060'";
    let files = Files::new(&[("portguard.toml", text)]);
    let told = files.load().warnings.join("\n");
    let expect = "portguard.toml:15: metrics.listen: has no effect in this version";
    assert_eq!(files.without_folder(&told), expect.replace("        ", ""));
}

#[test]
fn the_shipped_configuration_holds_and_shows_every_key() {
    let shipped = include_str!("../../../../packaging/portguard.toml");
    let loaded = Files::new(&[("portguard.toml", shipped)]).load();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let plans = loaded.config.trap_plans();
    assert_eq!(plans.len(), 8);
    // Settings that are commented out are written without a space behind the `#`.
    let is_setting = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let line = |line| str::strip_prefix(line, "#").filter(is_setting).unwrap_or(line);
    let whole = shipped.lines().map(line).collect::<Vec<_>>().join("\n");
    Files::new(&[("portguard.toml", &whole)]).load();
    assert_eq!(missing(&super::schema(), &whole.parse().unwrap()), Vec::<String>::new());
}

#[test]
fn the_shipped_configuration_shows_the_defaults() {
    let shipped = include_str!("../../../../packaging/portguard.toml");
    let is_default = |line: &&str| line.starts_with('#') && !line.contains("# example");
    let is_top = |line: &str| line.starts_with('[') && !line.starts_with("[[");
    let mut text = String::new();
    let mut is_in_table = false;
    for line in shipped.lines() {
        if line.is_empty() || line.starts_with('[') || line.starts_with("#[") {
            is_in_table = is_top(line);
        }
        let setting = Some(line).filter(is_default).and_then(|line| line.strip_prefix('#'));
        let setting = setting.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        let setting = setting.or_else(|| is_top(line).then_some(line));
        if let Some(setting) = setting.filter(|_| is_in_table) {
            writeln!(text, "{setting}").unwrap();
        }
    }
    let config = Files::new(&[("portguard.toml", &text)]).load().config;
    assert_eq!(config.to_toml(), Config::default().to_toml());
    assert!(text.lines().count() > 100, "{text}");
}

#[test]
fn the_schema_tells_what_each_key_is_for() {
    let schema = super::schema();
    let of = |pointer: &str| schema.pointer(pointer).unwrap().clone();
    assert_eq!(of("/$defs/Guard/properties/posture/default"), "open");
    assert_eq!(of("/$defs/Guard/properties/confirm/default"), "1m");
    let mut silent = Vec::new();
    keys_of(&schema, &schema, &Key::default(), &mut |key, schema| {
        if schema.get("description").is_none() {
            silent.push(key.to_string());
        }
    });
    assert_eq!(silent, Vec::<String>::new());
}

/// Configuration files in a folder of their own.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, text) in files {
            let path = folder.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self) -> Result<Loaded, Vec<Mistake>> {
        load(&self.path("portguard.toml"), &Surroundings { ssh_ports: vec![2222] })
    }

    fn load(&self) -> Loaded {
        self.read().unwrap_or_else(|mistakes| panic!("{}", lines(&mistakes)))
    }

    /// Returns every mistake, one a line, files named as in [`Files::new`].
    fn mistakes(&self) -> String {
        self.without_folder(&lines(&self.read().err().unwrap_or_default()))
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().fold(String::new(), |text, mistake| format!("{text}{mistake}\n"))
}

/// Returns the keys of the schema that the table does not have.
fn missing(schema: &serde_json::Value, table: &toml::Table) -> Vec<String> {
    let whole = toml::Value::Table(table.clone());
    let mut missing = Vec::new();
    keys_of(schema, schema, &Key::default(), &mut |key, _| {
        if !has(&whole, key.steps()) {
            missing.push(key.to_string());
        }
    });
    missing
}

fn has(value: &toml::Value, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let inner: Vec<_> = match (step, value) {
        (Step::Name(name), toml::Value::Table(table)) if name == "*" => table.values().collect(),
        (Step::Name(name), _) => value.get(name).into_iter().collect(),
        (Step::Row(_), _) => value.as_array().into_iter().flatten().collect(),
    };
    inner.iter().any(|inner| has(inner, rest))
}

/// Calls `each` for each key of the schema; names that are free are `*`.
fn keys_of(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    here: &Key,
    each: &mut impl FnMut(&Key, &serde_json::Value),
) {
    let schema = form::resolved(root, schema);
    if let Some(items) = schema.get("items") {
        keys_of(root, items, &here.row(0), each);
    }
    if let Some(free) = schema.get("additionalProperties").filter(|free| free.is_object()) {
        keys_of(root, free, &here.name("*"), each);
    }
    for (name, inner) in
        schema.get("properties").and_then(|keys| keys.as_object()).into_iter().flatten()
    {
        let key = here.name(name);
        each(&key, inner);
        keys_of(root, inner, &key, each);
    }
}
