//! Texts of mails about accounts and invitations, and sending them in the background.

use crate::ports::{Page, Ports};

/// A mail to send after the change it is about is committed.
#[derive(Debug)]
pub(crate) struct Letter {
    to: String,
    subject: &'static str,
    text: String,
}

impl Letter {
    /// Asks the recipient to confirm that the address is theirs.
    pub(crate) fn confirm_address(ports: &Ports, to: &str, token: &str) -> Self {
        let page = ports.mail.page(Page::ConfirmEmail, token);
        let text = format!(
            "A Footfall account was given the e-mail address {to}.\n\n\
             If it is your account, open this page within a day and confirm the address:\n\n{page}\n\n\
             If it is not, do nothing: the address is not used.\n"
        );
        Self { to: to.to_owned(), subject: "Confirm your e-mail address", text }
    }

    /// Informs the old address of a change, with a link to undo it.
    pub(crate) fn address_changed(ports: &Ports, to: &str, new: &str, token: &str) -> Self {
        let page = ports.mail.page(Page::UndoEmail, token);
        let text = format!(
            "The e-mail address of your Footfall account {to} is being changed to {new}.\n\n\
             If you asked for it, there is nothing to do.\n\n\
             If you did not, open this page within seven days. It keeps {to}, or brings it back, and signs everyone out:\n\n{page}\n"
        );
        Self { to: to.to_owned(), subject: "Your e-mail address is being changed", text }
    }

    /// Invites the recipient to sign up and join a team.
    pub(crate) fn invitation(to: &str, inviter: &str, team: &str, page: &str) -> Self {
        let text = format!(
            "{inviter} invites you to the team \"{team}\" on Footfall.\n\n\
             Open this page within seven days to make an account for {to}:\n\n{page}\n\n\
             If you do not know {inviter}, do nothing.\n"
        );
        Self { to: to.to_owned(), subject: "You are invited to Footfall", text }
    }
}

/// Sends mails in the background. A failure is logged without the address.
pub(crate) fn send(ports: &Ports, letters: Vec<Letter>) {
    for letter in letters {
        let mail = ports.mail.clone();
        tokio::spawn(async move {
            if let Err(error) = mail.send(&letter.to, letter.subject, &letter.text).await {
                let subject = letter.subject;
                tracing::warn!(mail.subject = subject, error.source = ?error, "a mail was not sent");
            }
        });
    }
}
