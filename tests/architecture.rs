//! The code is built as its map says: layers in one order, no circles, few packages, small sizes.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use support::{Daemon, Telnet};

/// The order of the modules, as the table in `lib.rs` has it.
fn layers() -> Vec<String> {
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("the map");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | "));
    let names = rows.filter_map(|row| row.trim_start_matches('[').strip_prefix('`'));
    names.filter_map(|name| Some(name.split_once('`')?.0.to_string())).collect()
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("the map");
    let declared = map
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let declared: BTreeSet<_> = declared.map(String::from).collect();
    assert_eq!(layers().into_iter().collect::<BTreeSet<_>>(), declared);
    assert!(declared.len() > 5);
}

#[test]
fn no_module_knows_one_that_stands_below_it() {
    let layers = layers();
    let rank = |module: &str| layers.iter().position(|layer| layer == module);
    for file in sources("src").iter().filter(|file| !file.path.starts_with("bin")) {
        let own = file.path.iter().next().and_then(|part| part.to_str()).expect("a module");
        for path in &file.uses {
            let Some(used) = path.strip_prefix("crate::") else { continue };
            let used = used.split("::").next().expect("a first part");
            assert!(rank(used) <= rank(own) || rank(own).is_none(), "{own} uses {path}");
        }
    }
}

#[test]
fn the_protocol_knows_no_input_or_output() {
    for file in sources("src").iter().filter(|file| file.path.starts_with("protocol")) {
        for path in &file.uses {
            let pure =
                !["std::io", "std::net", "std::time", "smol"].iter().any(|p| path.starts_with(p));
            assert!(pure, "{} uses {path}", file.path.display());
        }
    }
}

#[test]
fn no_two_files_know_each_other_be_it_by_way_of_others() {
    for root in ["src", "src/bin/smoltalk", "src/bin/smoltalkd"] {
        let sources = sources(root);
        let graph: BTreeMap<&Path, BTreeSet<PathBuf>> =
            sources.iter().map(|file| (file.path.as_path(), known_files(file, &sources))).collect();
        assert!(graph.values().any(|known| !known.is_empty()));
        for start in graph.keys() {
            if let Some(circle) = circle(start, &graph) {
                panic!("{root}: {circle:?}");
            }
        }
    }
}

/// A way from a file back to itself.
fn circle(start: &Path, graph: &BTreeMap<&Path, BTreeSet<PathBuf>>) -> Option<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut ways: Vec<Vec<PathBuf>> = vec![vec![start.into()]];
    while let Some(way) = ways.pop() {
        for next in graph.get(way.last()?.as_path()).into_iter().flatten() {
            let mut way = way.clone();
            way.push(next.clone());
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push(way);
            }
        }
    }
    None
}

/// A file of Rust: where it stands, and what it uses of others.
#[derive(Debug)]
struct Source {
    /// Below the root of its crate.
    path: PathBuf,
    /// Its own module, as a path: `room::life`; empty for the root.
    module: String,
    uses: Vec<String>,
    /// What it passes on as its own: the name, and where that comes from.
    passes_on: Vec<(String, String)>,
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn sources(crate_root: &str) -> Vec<Source> {
    let crate_root = root().join(crate_root);
    let mut sources = Vec::new();
    let mut folders = vec![crate_root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                sources.push(Source::read(&crate_root, &path));
            }
        }
    }
    assert!(!sources.is_empty());
    sources
}

impl Source {
    fn read(crate_root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a file");
        let path = path.strip_prefix(crate_root).expect("below its root").to_path_buf();
        let module: Vec<&str> = path
            .with_extension("")
            .iter()
            .filter_map(|p| {
                let part = p.to_str()?;
                (!["mod", "lib", "main"].contains(&part)).then_some(part.to_string())
            })
            .map(|part| &*part.leak())
            .collect();
        let module = module.join("::");
        let (mut uses, mut passes_on) = (Vec::new(), Vec::new());
        for (statement, public) in use_statements(&text) {
            for used in expand(&statement) {
                let full = absolute(&used, &module);
                if public {
                    let name = full.rsplit("::").next().unwrap_or_default().to_string();
                    passes_on.push((name, full));
                } else {
                    uses.push(full);
                }
            }
        }
        Self { path, module, uses, passes_on }
    }
}

/// The `use` statements outside of tests, and whether they pass on what they name.
fn use_statements(text: &str) -> Vec<(String, bool)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut statements = Vec::new();
    for statement in code.split(';') {
        let line_start = statement.rfind("\nuse ").or_else(|| statement.rfind("\npub use "));
        let line_start = line_start.or_else(|| statement.rfind("\npub(crate) use "));
        let statement = statement[line_start.map_or(0, |at| at + 1)..].trim();
        let public = statement.starts_with("pub");
        if let Some((_, path)) = statement
            .split_once("use ")
            .filter(|(before, _)| ["", "pub ", "pub(crate) ", "pub(super) "].contains(before))
        {
            statements.push((path.split_whitespace().collect::<Vec<_>>().join(" "), public));
        }
    }
    statements
}

/// The paths that one `use` names.
fn expand(path: &str) -> Vec<String> {
    let Some((before, list)) = path.split_once('{') else {
        return vec![path.split(" as ").next().unwrap_or_default().to_string()];
    };
    let list = list.trim_end().strip_suffix('}').unwrap_or(list);
    let (mut parts, mut depth, mut part) = (Vec::new(), 0, String::new());
    for c in list.chars() {
        match c {
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                part.push(c);
            }
        }
    }
    parts.push(part);
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts
        .flat_map(|part| expand(&format!("{before}{part}")))
        .map(|p| p.replace("::self", ""))
        .collect()
}

/// A path as it is from the root of the crate: `crate::…`, or of another package.
fn absolute(path: &str, module: &str) -> String {
    let mut own: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let mut path = path;
    if let Some(rest) = path.strip_prefix("self::") {
        return ["crate"].iter().chain(&own).copied().chain([rest]).collect::<Vec<_>>().join("::");
    }
    if !path.starts_with("super") {
        return path.into();
    }
    while let Some(rest) = path.strip_prefix("super").map(|rest| rest.trim_start_matches("::")) {
        own.pop();
        path = rest;
    }
    ["crate"].iter().chain(&own).copied().chain([path]).collect::<Vec<_>>().join("::")
}

/// The files that one names, also where another passes on what it takes from them.
fn known_files(file: &Source, sources: &[Source]) -> BTreeSet<PathBuf> {
    let mut known = BTreeSet::new();
    let mut paths: Vec<String> = file.uses.clone();
    let mut steps = 0;
    while let Some(path) = paths.pop() {
        steps += 1;
        assert!(steps < 10_000);
        // A path of its own children, as `use entry::Entry` beside `mod entry`.
        let inner = format!("crate::{}::{path}", file.module).replace("crate::::", "crate::");
        let Some((found, rest)) = find(&path, sources).or_else(|| find(&inner, sources)) else {
            continue;
        };
        let name = rest.split("::").next().unwrap_or_default();
        let passed = found.passes_on.iter().find(|(passed, _)| !name.is_empty() && passed == name);
        match passed {
            Some((_, from)) => {
                let own =
                    format!("crate::{}::{from}", found.module).replace("crate::::", "crate::");
                let from = if find(from, sources).is_some() { from.clone() } else { own };
                if find(&from, sources).is_some_and(|(next, _)| next.path != found.path) {
                    paths.push(from);
                }
            }
            None if found.path != file.path => {
                known.insert(found.path.clone());
            }
            None => {}
        }
    }
    known
}

/// The file that a path leads to, and what the path names in it.
fn find<'a>(path: &str, sources: &'a [Source]) -> Option<(&'a Source, String)> {
    let path = path.strip_prefix("crate")?.trim_start_matches("::");
    let holds = |source: &&Source| {
        source.module.is_empty()
            || path == source.module
            || path.strip_prefix(&source.module).is_some_and(|rest| rest.starts_with("::"))
    };
    let found = sources.iter().filter(holds).max_by_key(|source| source.module.len())?;
    let rest = path[found.module.len()..].trim_start_matches("::").to_string();
    (!found.module.is_empty()).then_some((found, rest))
}

// Packages and sizes.

#[test]
fn the_server_needs_the_five_packages_and_what_is_in_smols_tree_already() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").expect("a section");
    let (dependencies, _) = dependencies.split_once("\n[").expect("another one");
    let needed = dependencies.lines().filter(|line| !line.contains("optional = true"));
    let names: BTreeSet<&str> = needed.filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let five = ["argh", "async-channel", "async-lock", "futures-lite", "smol"];
    let in_smols_tree = ["async-signal", "rustix", "slab"];
    assert_eq!(names, five.into_iter().chain(in_smols_tree).collect());
}

#[test]
fn redis_comes_with_its_feature_alone_and_one_module_knows_it() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let line = |start: &str| manifest.lines().find(|line| line.starts_with(start)).expect("a line");
    for package in ["redis = {", "tokio = {"] {
        assert!(line(package).contains("optional = true"));
        assert!(line(package).contains("default-features = false"));
    }
    assert_eq!(line("redis = ["), r#"redis = ["dep:redis", "dep:tokio"]"#);
    assert!(!line("default = [").contains("redis"));
    for file in sources("src") {
        let of = |path: &String| path.split("::").next().unwrap_or_default().to_string();
        let knows = file.uses.iter().map(of).any(|of| of == "redis" || of == "tokio");
        assert!(!knows || file.path.starts_with("log/nodes"), "{}", file.path.display());
    }
    let map = fs::read_to_string(root().join("src/log/mod.rs")).expect("the log");
    let (before, _) = map.split_once("mod nodes;").expect("the module");
    let attributes = before.rsplit("\nmod ").next().unwrap_or_default();
    assert!(attributes.contains(r#"#[cfg(feature = "redis")]"#));
}

#[test]
fn tls_comes_with_its_feature_alone_and_one_module_knows_it() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let line = |start: &str| manifest.lines().find(|line| line.starts_with(start)).expect("a line");
    for package in ["rustls = {", "rustls-native-certs = {"] {
        assert!(line(package).contains("optional = true"));
    }
    assert_eq!(line("tls = ["), r#"tls = ["dep:rustls", "dep:rustls-native-certs"]"#);
    assert!(!line("default = [").contains("tls"));
    for file in sources("src") {
        let of = |path: &String| path.split("::").next().unwrap_or_default().starts_with("rustls");
        let knows = file.uses.iter().any(of);
        assert!(!knows || file.path.starts_with("net/tls"), "{}", file.path.display());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_member_takes_less_than_a_kilobyte() {
    const MEMBERS: u64 = 500;
    let server = Daemon::start(&["--presence-limit", "0"]);
    let join = |n: u64| {
        let mut member = Telnet::tcp(server.address()).greeted();
        member.types(&format!("JOIN member{n}"));
        member.sees(&format!("OK member{n} {}", n + 1));
        member
    };
    // What the server takes once for all, it has taken by then.
    let mut members: Vec<Telnet> = (0..100).map(join).collect();
    let before = server.kilobytes("RssAnon");
    members.extend((100..100 + MEMBERS).map(join));
    let each = 1024 * (server.kilobytes("RssAnon") - before) / MEMBERS;
    assert!(each < 1000, "{each} bytes");
}
