//! Reuse: spent tokens that are presented when their leeway is over.

use portproof_ports::{NewFamily, Ports, Rotation};

use super::{Families, digest, long_family, new_family, sid};
use crate::{
    Case, Checked, cases,
    check::equal,
    fixture::{START, day, just_before, minute},
    rule,
};

pub(super) fn cases() -> Vec<Case<Ports>> {
    cases![
        reuse_ends_the_family,
        reuse_of_the_first_token,
        reuse_is_noticed_to_the_end,
        reuse_whatever_the_new_token,
        reuse_spares_other_families,
        reuse_frees_what_it_ends,
    ]
}

/// A spent token that is presented after its leeway ends the family: it is told once, with the family
/// as it was; from then on none of its tokens is found or of use, on any handle, in any list.
///
/// The thief of a token, or its owner after the thief, goes on as if nothing had happened.
#[rule(
    "refresh_tokens::reuse::ends_the_family",
    source = "leodip/goiabada #77: reuse detection was bypassed; RFC 9700, section 4.14.2"
)]
async fn reuse_ends_the_family(w: &Families) -> Checked {
    let one = w.advance(&w.subject, "one", minute(1)).await?;
    let two = w.advance(&one, "two", minute(2)).await?;
    let stolen = digest("stolen");
    let reuse = w.rotate(&one.token, &stolen, minute(5)).await?;
    equal("the reuse", &reuse, &Rotation::Reused(two.clone()))?;
    let again = w
        .other
        .rotate(&w.tenant, &two.client, &one.token, &stolen, None, minute(5))
        .await?;
    equal("the reuse of the token again", &again, &Rotation::Gone)?;
    let tokens = [&w.subject.token, &one.token, &two.token, &stolen];
    w.are_gone("a token of the family", &tokens).await?;
    equal("Ada's families", &w.of_ada(START).await?, &vec![])?;
    let revoked = w.store.revoke(&w.tenant, &two.id).await?;
    equal("whether there is a family to revoke", &revoked, &false)
}

/// Every token that a family ever had is recognised, the first one, too, however often it was rotated
/// since.
///
/// A thief waits: an adapter that keeps the last few tokens only takes an old one for none.
#[rule(
    "refresh_tokens::reuse::is_noticed_of_the_first_token",
    source = "none of the suites of this kind reuses any but the last token"
)]
async fn reuse_of_the_first_token(w: &Families) -> Checked {
    let mut family = w.issue(long_family("long", "Ada")?).await?;
    let first = family.token.clone();
    for number in 1..=120 {
        let (new, now) = (digest(&format!("token {number}")), minute(number));
        let rotation = w.rotate(&family.token, &new, now).await?;
        family = super::rotated(&family, &new, now);
        equal("a rotation", &rotation, &Rotation::Rotated(family.clone()))?;
    }
    let reuse = w.rotate(&first, &digest("stolen"), day(1)).await?;
    equal(
        "the reuse of the first token",
        &reuse,
        &Rotation::Reused(family.clone()),
    )?;
    let tokens = [&first, &digest("token 60"), &family.token];
    w.are_gone("a token of the family", &tokens).await
}

/// Reuse is noticed for as long as the family lives, to its very last moment, also after sweeps of
/// what is over.
///
/// An adapter that sweeps spent tokens away lets a thief in who waited for it.
#[rule(
    "refresh_tokens::reuse::is_noticed_to_the_end",
    source = "AuthHero 6503423: a cleanup removed what a living record needed"
)]
async fn reuse_is_noticed_to_the_end(w: &Families) -> Checked {
    let lasting = NewFamily {
        idle: None,
        ..new_family("lasting")?
    };
    let family = w.issue(lasting).await?;
    let family = w.advance(&family, "next", minute(1)).await?;
    let last = just_before(day(90));
    // The subject is over by then, and nothing else is.
    for expected in [1, 0] {
        let swept = w.store.sweep(&w.tenant, last, 1000).await?;
        equal("how many families are swept", &swept, &expected)?;
    }
    let reuse = w
        .rotate(&digest("lasting"), &digest("stolen"), last)
        .await?;
    equal(
        "the reuse at the last moment",
        &reuse,
        &Rotation::Reused(family.clone()),
    )?;
    w.are_gone(
        "a token of the family",
        &[&digest("lasting"), &family.token],
    )
    .await
}

/// Whether a token is spent is looked at first: it is reuse also when the new token is stored, and is
/// the current one.
///
/// A thief who also sends a token that is taken would be told so, and nobody else would.
#[rule(
    "refresh_tokens::reuse::whatever_the_new_token_is",
    source = "the contract: what is presented comes before what is asked for"
)]
async fn reuse_whatever_the_new_token(w: &Families) -> Checked {
    for number in 0..4 {
        let family = w.issue(new_family(&format!("family {number}"))?).await?;
        let old = family.token.clone();
        let family = w
            .advance(&family, &format!("next {number}"), minute(1))
            .await?;
        let new = match number {
            0 => &family.token,
            1 => &old,
            2 => &w.subject.token,
            _ => &digest("bystander"),
        };
        let reuse = w.rotate(&old, new, minute(5)).await?;
        equal(
            "a reuse with a new token that is stored",
            &reuse,
            &Rotation::Reused(family.clone()),
        )?;
        w.are_gone("a token of the family", &[&old, &family.token])
            .await?;
    }
    w.subject_unchanged().await
}

/// Reuse ends one family: others of the same identity, client and session go on, with all their
/// tokens.
///
/// A token that was stolen on one device would log all the others out.
#[rule(
    "refresh_tokens::reuse::spares_other_families",
    source = "hydra: revoking by request id leaves other chains intact; duck-auth: revokeFamily spares others"
)]
async fn reuse_spares_other_families(w: &Families) -> Checked {
    let other = w.issue(new_family("other device")?).await?;
    let other = w.advance(&other, "other device on", minute(1)).await?;
    let family = w.advance(&w.subject, "one", minute(1)).await?;
    equal("the session of both", &other.session, &Some(sid()?))?;
    let reuse = w
        .rotate(&w.subject.token, &digest("stolen"), minute(5))
        .await?;
    equal("the reuse", &reuse, &Rotation::Reused(family))?;
    w.is_current("the other family", &other).await?;
    equal(
        "Ada's families",
        &w.of_ada(START).await?,
        &vec![other.clone()],
    )?;
    // Its spent token is known as before.
    let reuse = w
        .rotate(&digest("other device"), &digest("stolen"), minute(5))
        .await?;
    equal(
        "the reuse of the other family's",
        &reuse,
        &Rotation::Reused(other),
    )
}

/// What reuse ended can be issued again, and starts afresh: nothing of the old family is left.
///
/// What stays behind fills the store, or makes a new family's token look spent.
#[rule(
    "refresh_tokens::reuse::frees_what_it_ends",
    source = "spicedb, vault: delete, then create"
)]
async fn reuse_frees_what_it_ends(w: &Families) -> Checked {
    let family = w.advance(&w.subject, "one", minute(1)).await?;
    let reuse = w
        .rotate(&w.subject.token, &digest("stolen"), minute(5))
        .await?;
    equal("the reuse", &reuse, &Rotation::Reused(family))?;
    let issued = w.issue(new_family("subject")?).await?;
    equal("the family that is issued anew", &issued, &w.subject)?;
    w.subject_unchanged().await?;
    w.are_gone("a token of the old family", &[&digest("one")])
        .await?;
    w.advance(&w.subject, "one", minute(1)).await?;
    Ok(())
}
