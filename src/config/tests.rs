//! Settings by precedence: flags, environment, file, defaults.

use schema::ports::SignUp;

use super::*;

fn flags(data: &Path) -> Flags {
    Flags { data: Some(data.to_path_buf()), ..Flags::default() }
}

#[test]
fn later_layers_win_and_the_defaults_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::layered(flags(folder.path())).unwrap();
    assert_eq!(
        (config.settings.listen.port(), config.settings.signup, config.settings.timeout_seconds),
        (8787, SignUp::Closed, 5)
    );
    std::fs::write(folder.path().join("footfall.toml"), "signup = \"open\"\ntimeout_seconds = 9\n").unwrap();
    let config = Config::layered(Flags { timeout_seconds: Some(7), ..flags(folder.path()) }).unwrap();
    assert_eq!((config.settings.signup, config.settings.timeout_seconds), (SignUp::Open, 7));
}

#[test]
fn links_lead_to_the_public_url_or_to_where_the_server_listens() {
    let folder = tempfile::tempdir().unwrap();
    let with = |url: &str| {
        let flags = Flags { public_url: Some(url.to_owned()), ..flags(folder.path()) };
        Config::layered(flags).map(|config| config.public_url()).map_err(|error| error.to_string())
    };
    assert_eq!(with("").unwrap(), "http://127.0.0.1:8787");
    assert_eq!(with("https://a.example/stats/").unwrap(), "https://a.example/stats");
    for bad in ["a.example", "https://", "ftp://a.example", "https://a.example/?x", "https://a b.example"] {
        assert!(with(bad).unwrap_err().contains("public_url"), "{bad}");
    }
    let everywhere = Flags { listen: Some("0.0.0.0:99".parse().unwrap()), ..flags(folder.path()) };
    assert_eq!(Config::layered(everywhere).unwrap().public_url(), "http://localhost:99");
    let named = Flags { listen: Some("stats.example:99".parse().unwrap()), ..flags(folder.path()) };
    assert_eq!(Config::layered(named).unwrap().public_url(), "http://stats.example:99");
}

#[test]
fn an_origin_that_is_none_and_a_database_of_another_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let with = |flags: Flags| Config::layered(flags).map(|_| ()).map_err(|error| error.to_string());
    for bad in ["dashboard.example", "https://", "https://a.example/path", "https://*.example", "ftp://a.example"] {
        let error = with(Flags { cors_origins: Some(vec![bad.to_owned()]), ..flags(folder.path()) }).unwrap_err();
        assert!(error.contains(bad) && error.contains("https://dashboard.example"), "{error}");
    }
    for good in ["https://a.example", "http://127.0.0.1:3000/", "*"] {
        with(Flags { cors_origins: Some(vec![good.to_owned()]), ..flags(folder.path()) }).unwrap();
    }
    let url = Some("mysql://root:secret@db/x".to_owned());
    let error = with(Flags { database_url: url, ..flags(folder.path()) }).unwrap_err();
    assert!(error.contains("mysql") && !error.contains("secret"), "{error}");
}

#[test]
fn a_setting_that_does_not_exist_is_refused_with_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("footfall.toml");
    std::fs::write(&path, "listen = \"127.0.0.1:1\"\nsing_up = \"open\"\n").unwrap();
    let error = Config::layered(flags(folder.path())).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("footfall.toml") && error.contains("line 2") && error.contains("sing_up"), "{error}");
}

/// Who adds a row to the table of settings cannot forget its default, nor the other way round (the test above).
#[test]
fn a_setting_without_a_default_stops_every_start() {
    for line in DEFAULTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, _) = line.split_once(" = ").unwrap();
        let defaults = parse(&DEFAULTS.replace(line, ""), "the defaults").unwrap();
        let error = defaults.checked().map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, format!("the defaults lack {name}"));
    }
}
