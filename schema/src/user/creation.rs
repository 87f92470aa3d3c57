//! Creation of accounts: by sign-up, by the operator, or with the first token of a trusted issuer.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::user;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _};
use uuid::Uuid;

use super::{
    User, email_link, email_proof,
    rules::{FULL_NAME, PASSWORD, TAKEN, checked_name, checked_password},
};
use crate::{
    access::{Caller, Myself, On, Operator, Reach as _, Unproven, access_directive},
    attempts::Quota,
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    constraint::Constrained,
    error::{Error, Result},
    invitation, letters,
    ports::{Ports, SignUp},
    scalars::{EmailAddress, Instant},
    session::{self, Issued},
    team::creation as team_creation,
};

// Vocabulary

/// A new account.
#[derive(InputObject, Debug, Clone)]
pub struct SignUpInput {
    /// The e-mail address to sign in with.
    pub email: EmailAddress,
    /// Password, 8 to 200 characters.
    #[graphql(secret, directive = Constrained::apply(PASSWORD))]
    pub password: String,
    /// Full name, at most 100 characters; null for none.
    #[graphql(directive = Constrained::apply(FULL_NAME))]
    pub full_name: Option<String>,
    /// Token of an invitation to this address. The account joins the inviting team. Required if signing up is by
    /// invitation only; null for none.
    #[graphql(secret)]
    pub invitation: Option<String>,
}

/// The result of signing up.
#[derive(SimpleObject)]
pub struct SignUpPayload {
    /// JWT for `Authorization: Bearer`, valid until `expiresAt`.
    pub access_token: String,
    /// Opaque token for `tokenRefresh`. Works once, within 60 days.
    pub refresh_token: String,
    /// Expiry of the access token, UTC.
    pub expires_at: Instant,
    /// The account.
    pub user: User,
}

// Rules

/// The account to create.
pub(crate) struct NewAccount<'a> {
    /// Checked e-mail address.
    pub(crate) email: &'a str,
    /// Hash of the password; `None` for an account with external sign-in.
    pub(crate) password_hash: Option<String>,
    /// Checked name.
    pub(crate) full_name: Option<String>,
    /// URL of a picture.
    pub(crate) avatar_url: Option<String>,
    /// Identity provider and subject of an account with external sign-in.
    pub(crate) elsewhere: Option<(&'a str, &'a str)>,
    /// Whether it is the operator's account.
    pub(crate) is_operator: bool,
    /// Whether the address is confirmed.
    pub(crate) is_proven: bool,
}

/// Creates an account and the team it owns. Errors: `Conflict` for an address that is already in use.
pub(crate) async fn insert(txn: &DatabaseTransaction, ports: &Ports, new: NewAccount<'_>) -> Result<user::Model> {
    let (user, now) = (ports.ids.uuid(), ports.now());
    if email_link::is_reserved(txn, ports, new.email, None).await? {
        return Err(Error::conflict(format!("{TAKEN}. Sign in instead.")));
    }
    // Without mail an address is neither confirmed nor pending.
    let waits = !new.is_proven && ports.mail.is_set_up();
    let team =
        team_creation::insert_team(txn, ports, team_creation::own_name(new.full_name.as_deref(), new.email)).await?.id;
    let row = user::ActiveModel {
        id: Set(user),
        email: Set(new.email.to_owned()),
        password_hash: Set(new.password_hash),
        full_name: Set(new.full_name),
        avatar_url: Set(new.avatar_url),
        default_team_id: Set(team),
        is_operator: Set(new.is_operator),
        created_at: Set(now),
        provider: Set(new.elsewhere.map(|(provider, _)| provider.to_owned())),
        external_subject: Set(new.elsewhere.map(|(_, subject)| subject.to_owned())),
        email_verified_at: Set(new.is_proven.then_some(now)),
        pending_email: Set(waits.then(|| new.email.to_owned())),
    }
    .insert(txn)
    .await
    .map_err(|source| Error::of_write(source, format!("{TAKEN}. Sign in instead.")))?;
    team_creation::insert_owner(txn, ports, team, user).await?;
    Ok(row)
}

/// Whether there are no accounts yet. The transaction's write lock keeps this true until it ends.
pub(crate) async fn has_no_accounts(txn: &DatabaseTransaction) -> Result<bool> {
    Ok(user::Entity::find().count(txn).await? == 0)
}

fn admitted(sign_up: SignUp, first: bool, is_invited: bool) -> Result<()> {
    match sign_up {
        _ if first || is_invited => Ok(()),
        SignUp::Open => Ok(()),
        SignUp::Invite => {
            Err(Error::forbidden("Signing up requires an invitation. Ask an admin of a team or the operator for one."))
        }
        SignUp::Closed => Err(Error::forbidden(
            "Signing up is closed. The operator can create an account with `footfall user create`, or open signing up with FOOTFALL_SIGNUP=open.",
        )),
    }
}

/// Creates an account and its team, and signs in. The first account is always allowed and is the operator's. With an
/// invitation the account joins the inviting team. Errors: `Forbidden` if signing up is closed, `Invalid`,
/// `TooManyAttempts`, `TooOften`, `Conflict` for an address that is already in use.
pub async fn sign_up(ports: &Ports, input: SignUpInput, from: Option<AddressHash>) -> Result<(Issued, Myself)> {
    let SignUpInput { email, password, full_name, invitation } = input;
    let attempt = ports.attempts.begin(None, from, ports.now())?;
    // Checked before the costly hash, and again under the lock.
    if let Some(token) = &invitation {
        invitation::find(ports.database.reader(&Unproven::new()), ports, token, &email).await?;
    }
    let outcome = async {
        admitted(
            ports.sign_up,
            user::Entity::find().count(ports.database.reader(&Unproven::new())).await? == 0,
            invitation.is_some(),
        )?;
        checked_password("password", &password)?;
        let full_name = checked_name(full_name)?;
        ports.attempts.take(Quota::SignUp, None, from, ports.now())?;
        Ok::<_, Error>((full_name, ports.passwords.hash(password).await?))
    }
    .await;
    // Only an invitation can be guessed here.
    attempt.succeeded();
    let (full_name, hash) = outcome?;
    let txn = ports.begin(&Unproven::new()).await?;
    let is_operator = has_no_accounts(&txn).await?;
    admitted(ports.sign_up, is_operator, invitation.is_some())?;
    let invitation = match &invitation {
        Some(token) => Some(invitation::find(&txn, ports, token, &email).await?),
        None => None,
    };
    let new = NewAccount {
        email: email.as_str(),
        password_hash: Some(hash),
        full_name,
        avatar_url: None,
        elsewhere: None,
        is_operator,
        is_proven: invitation.as_ref().is_some_and(|invitation| invitation.proves_address),
    };
    let row = insert(&txn, ports, new).await?;
    let issued = session::open(&txn, ports, row.id, from).await?;
    let mut letters = Vec::new();
    if row.pending_email.is_some() {
        letters.push(email_proof::confirmation(&txn, ports, row.id, email.as_str()).await?);
    }
    let myself = Myself::signed_in(row, issued.session);
    let line = Line::of_account(AuditAction::SignUp, myself.caller(), email.as_str(), &[]);
    audit::note(&txn, ports, line).await?;
    if let Some(invitation) = &invitation {
        invitation::accept(&txn, ports, &myself, invitation).await?;
    }
    match invitation {
        // The inviter's team has one more member.
        Some(invitation) => txn.commit_changing(&[invitation.team_id], &[]).await?,
        None => txn.commit_addition().await?,
    }
    letters::send(ports, letters);
    Ok((issued, myself))
}

/// Checks the input of [`create`]. Errors: `Invalid`.
pub fn check(email: &str, password: &str, full_name: Option<&str>) -> Result<(EmailAddress, Option<String>)> {
    let email = EmailAddress::checked(email)
        .ok_or_else(|| Error::invalid("email", "must be an e-mail address such as ada@shop.example"))?;
    checked_password("password", password)?;
    Ok((email, checked_name(full_name.map(str::to_owned))?))
}

/// Creates an account from the command line. Returns its ID. Errors: `Invalid`, `Conflict` for an address that is
/// already in use.
pub async fn create(
    ports: &Ports,
    operator: &Operator,
    email: &str,
    password: String,
    full_name: Option<String>,
) -> Result<Uuid> {
    let (email, full_name) = check(email, &password, full_name.as_deref())?;
    let hash = ports.passwords.hash(password).await?;
    let txn = ports.begin(operator).await?;
    let first = has_no_accounts(&txn).await?;
    let new = NewAccount {
        email: email.as_str(),
        password_hash: Some(hash),
        full_name,
        avatar_url: None,
        elsewhere: None,
        is_operator: first,
        is_proven: true,
    };
    let row = insert(&txn, ports, new).await?;
    let line = Line::of_account(AuditAction::SignUp, Caller::Operator, email.as_str(), &[]);
    audit::note_about(&txn, ports, line, row.id).await?;
    txn.commit_addition().await?;
    Ok(row.id)
}

// Graph

/// Sign-up mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct SignUpMutation;

#[Object]
impl SignUpMutation {
    /// Creates an account with its own team, and signs in. The first account of an installation is always allowed and
    /// is the operator's; later accounts require open sign-up or an invitation. If mail is configured, a link to
    /// confirm the address is mailed.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account.")] input: SignUpInput,
    ) -> Option<async_graphql::Result<SignUpPayload>> {
        let answer: async_graphql::Result<Option<SignUpPayload>> = async {
            let cx = ctx.cx()?;
            let (issued, myself) = sign_up(cx.ports(), input, cx.from()).await?;
            Ok(Some(SignUpPayload {
                access_token: issued.access_token,
                refresh_token: issued.refresh_token,
                expires_at: Instant(issued.expires_at),
                user: User(myself),
            }))
        }
        .await;
        answer.transpose()
    }
}
