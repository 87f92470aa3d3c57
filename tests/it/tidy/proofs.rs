//! Where proofs are made, and which code opens the database without one.

use super::all;

/// Files that open the database before anything is proven, and why.
const UNPROVEN: [(&str, &str); 12] = [
    ("schema/src/access/credential.rs", "asks whether the credential of a stream still works"),
    ("schema/src/access/cx.rs", "gives loaders their connection; they ask for proofs themselves"),
    ("schema/src/access/owned.rs", "reads a row to learn what proof it needs"),
    ("schema/src/access/public_access.rs", "finds a website by what its pages show to anyone"),
    ("schema/src/access/visible_line.rs", "reads a line to learn what proof it needs"),
    ("schema/src/auth.rs", "finds the caller of a credential"),
    ("schema/src/auth/external_login.rs", "finds or makes the account of an outside issuer's token"),
    ("schema/src/known_network.rs", "asks at a sign-in whether the account knows the network"),
    ("schema/src/password.rs", "sends and takes the secret of a mailed link"),
    ("schema/src/session.rs", "signs in and renews tokens"),
    ("schema/src/user/creation.rs", "signs up"),
    ("schema/src/user/email_proof.rs", "takes the token of a mailed link"),
];

fn files_with(word: &str) -> Vec<String> {
    let mut files: Vec<String> =
        all().into_iter().filter(|(_, text)| text.contains(word)).map(|(name, _)| name).collect();
    files.sort();
    files
}

#[test]
fn the_database_is_opened_without_a_proof_by_listed_files_only() {
    assert_eq!(files_with("Unproven::new()"), UNPROVEN.map(|(file, _)| file), "each file needs its reason");
}

#[test]
fn proofs_are_declared_in_one_place() {
    assert_eq!(files_with("Sealed for "), ["schema/src/access.rs", "schema/src/role.rs"]);
    assert_eq!(files_with("Operator(())"), ["schema/src/access/operator.rs"]);
}
