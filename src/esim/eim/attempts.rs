//! What becomes of work that an IPA has fetched and that did not end in a way that is to be believed.
//!
//! Only the eUICC's signature ends a package. Whatever comes without one may be anybody's who knows the EID, so that
//! it puts the package aside and no more: what waits behind it is done first, and the package is handed out again,
//! later each time. A package that is handed out again is the same bytes, which the eUICC executes once, unless a newer
//! one was signed meanwhile. A download, which nobody signs, ends after [`DOWNLOAD_TRIES`] failures, which are at least
//! two hours; a request for data is asked again every few minutes.

use super::record::{EuiccRecord, Out, Work, WorkKind};
use crate::wire::rsp::iot::IpaEuiccDataRequest;

/// Work that is fetched and not answered is the same fetch for so long, in seconds.
const FETCH_S: u64 = 60;
/// After so many fetches that nobody answered, others have their turn.
const FETCHES_MAX: u32 = 10;
/// How long work is put aside at first, in seconds, and at most.
const ASIDE_S: u64 = 60;
const ASIDE_MAX_S: u64 = 3_600;
const DATA_ASIDE_MAX_S: u64 = 300;
/// After so many failures that nobody has signed, a download ends.
const DOWNLOAD_TRIES: u32 = 8;
/// How much of the work under way is kept aside; the oldest goes back into the queue.
const ASIDE_COUNT_MAX: usize = 8;
/// The highest counter that every eUICC supports (SGP.32 clause 2.11.1.1).
const COUNTER_MAX: u64 = 0x7f_ffff;
/// The data object `84` of IpaEuiccDataRequest: the association token.
const TOKEN_TAG: u8 = 0x84;

impl EuiccRecord {
    /// Puts work aside that was taken out of what is under way.
    pub(super) fn put_aside(&mut self, mut out: Out, detail: &str, now_unix_s: u64) {
        out.tries += 1;
        out.handed = 0;
        if out.is_download() && out.tries >= DOWNLOAD_TRIES {
            self.finish(out, false, detail.to_owned(), now_unix_s);
            return;
        }
        self.note(out.work.number, out.work.kind.describe(), false, detail.to_owned(), now_unix_s);
        let most_s = if matches!(out.work.kind, WorkKind::Data(_)) { DATA_ASIDE_MAX_S } else { ASIDE_MAX_S };
        let wait_s = (ASIDE_S << (out.tries - 1).min(16)).min(most_s);
        // Where it was refused for its association token, another one is tried at once.
        let other_token = out.is_package() && out.tries <= 2 && out.token != self.token_for(out.tries);
        out.not_before_unix_s = if other_token { now_unix_s } else { now_unix_s.saturating_add(wait_s) };
        if self.aside.len() >= ASIDE_COUNT_MAX
            && let Some(oldest) = self.aside.pop_front()
        {
            self.queue.push_back(oldest.work);
        }
        self.aside.push_back(out);
    }

    /// The eUICC may have refused a package because its signature covers another association token: asks for it.
    pub(super) fn ask_for_token(&mut self) {
        if !self.is_asking() {
            let tags = vec![TOKEN_TAG];
            self.push_first(WorkKind::Data(IpaEuiccDataRequest { tags, ..IpaEuiccDataRequest::default() }));
        }
    }

    /// Whether the IPA is asked for data, or is going to be.
    pub(super) fn is_asking(&self) -> bool {
        let asks = |kind: &WorkKind| matches!(kind, WorkKind::Data(_));
        self.queue.iter().any(|work| asks(&work.kind)) || self.under_way().any(|out| asks(&out.work.kind))
    }

    /// Whether the profiles are going to be listed by a package of their own.
    pub(super) fn is_listing(&self) -> bool {
        let list = WorkKind::list();
        self.queue.iter().any(|work| work.kind == list) || self.under_way().any(|out| out.work.kind == list)
    }

    /// Takes what was told of the association token without a signature.
    pub(super) fn hear_token(&mut self, told: u64) {
        if self.association_token == Some(told) {
            return;
        }
        if self.token_proven {
            self.token_told = Some(told);
        } else {
            self.association_token = Some(told);
        }
        // What was refused may have been refused for that.
        for out in self.aside.iter_mut().filter(|out| out.is_package()) {
            out.not_before_unix_s = 0;
        }
    }

    /// The tokens that a signature of the eUICC may cover, the likeliest first.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Option<u64>> {
        std::iter::once(self.association_token).chain(self.token_told.map(Some))
    }

    /// The eUICC has signed over this token.
    pub(super) fn prove_token(&mut self, token: Option<u64>) {
        if token != self.association_token {
            self.association_token = token;
        }
        self.token_told = self.token_told.filter(|told| Some(*told) != token);
        self.token_proven = true;
    }

    /// The token that a package is signed over which was set aside `tries` times: where another one was told than the
    /// proven one, each in its turn.
    pub(super) fn token_for(&self, tries: u32) -> Option<u64> {
        self.token_told.filter(|_| tries % 2 == 1).or(self.association_token)
    }

    /// The eUICC has signed that the counter of `out` was used before: this eIM has lost what it knew. The next counter
    /// is further on, each time four times as far as before.
    pub(super) fn jump_ahead(&mut self, out: Out, now_unix_s: u64) {
        let far = 16u64 << (2 * self.replays).min(40);
        self.replays += 1;
        let next = self.counter.max(out.counter).saturating_add(far);
        if next >= COUNTER_MAX {
            self.finish(out, false, "the eUICC takes no higher counter".to_owned(), now_unix_s);
            return;
        }
        self.counter = next;
        self.queue.push_front(out.work);
    }

    /// Whether what is out has been fetched so often without an answer that others have their turn.
    pub(super) fn is_unanswered(&mut self, now_unix_s: u64) -> bool {
        let Some(out) = &mut self.out else { return false };
        if now_unix_s >= out.handed_unix_s.saturating_add(FETCH_S) {
            out.handed += 1;
            out.handed_unix_s = now_unix_s;
        }
        out.handed > FETCHES_MAX
    }

    /// The next work: of the queue, or else what was aside for long enough. Before the certificates of the eUICC are
    /// known it is only asked for them.
    pub(super) fn next_work(&mut self, now_unix_s: u64) -> Option<Next> {
        let verified = self.is_verified();
        let fits = |kind: &WorkKind| verified || matches!(kind, WorkKind::Data(_));
        if self.queue.front().is_some_and(|work| fits(&work.kind)) {
            return self.queue.pop_front().map(Next::Fresh);
        }
        let due = |out: &Out| out.not_before_unix_s <= now_unix_s && fits(&out.work.kind);
        let at = self.aside.iter().position(due)?;
        let out = self.aside.remove(at)?;
        // The eUICC takes no counter below one that it has seen.
        let same =
            !out.is_package() || (out.counter == self.counter && out.token == self.token_for(out.tries));
        Some(if same { Next::Again(out) } else { Next::Anew { work: out.work, tries: out.tries } })
    }
}

/// What is to be handed out.
pub(super) enum Next {
    /// For the first time.
    Fresh(Work),
    /// As it was.
    Again(Out),
    /// Signed anew.
    Anew { work: Work, tries: u32 },
}
