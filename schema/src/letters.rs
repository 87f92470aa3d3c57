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
            "The e-mail address {to} was entered for a Footfall account.\n\n\
             If this is your account, open this page within a day to confirm the address:\n\n{page}\n\n\
             If not, ignore this mail. The address will not be used.\n"
        );
        Self { to: to.to_owned(), subject: "Confirm your e-mail address", text }
    }

    /// Informs the old address of a change, with a link to undo it.
    pub(crate) fn address_changed(ports: &Ports, to: &str, new: &str, token: &str) -> Self {
        let page = ports.mail.page(Page::UndoEmail, token);
        let text = format!(
            "The e-mail address of your Footfall account {to} is being changed to {new}.\n\n\
             If you requested this, no action is needed.\n\n\
             If you did not, open this page within seven days. It keeps or restores {to} and ends all sessions:\n\n{page}\n"
        );
        Self { to: to.to_owned(), subject: "Your e-mail address is being changed", text }
    }

    /// Warns an owner that a team has used most of its plan.
    pub(crate) fn usage(to: &str, team: &str, things: &str, percent: i16) -> Self {
        let text = format!(
            "The team \"{team}\" on Footfall has used {percent} percent of the {things} that its plan allows this month.\n\n\
             At 100 percent, further ones are refused until the first of the next month, UTC. A higher plan allows more.\n"
        );
        Self { to: to.to_owned(), subject: "Your plan is nearly used up", text }
    }

    /// Invites the recipient to sign up and join a team.
    pub(crate) fn invitation(to: &str, inviter: &str, team: &str, page: &str) -> Self {
        let text = format!(
            "{inviter} invites you to the team \"{team}\" on Footfall.\n\n\
             Open this page within seven days to create an account for {to}:\n\n{page}\n\n\
             If you do not know {inviter}, ignore this mail.\n"
        );
        Self { to: to.to_owned(), subject: "You are invited to Footfall", text }
    }
}

/// Sends mails in the background. A failure is logged without the address.
pub(crate) fn send(ports: &Ports, letters: Vec<Letter>) {
    for letter in letters {
        let mail = ports.mail.clone();
        let send = async move { mail.send(&letter.to, letter.subject, &letter.text).await };
        ports.background.run(letter.subject, send);
    }
}
