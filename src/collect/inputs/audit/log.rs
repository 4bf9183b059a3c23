//! One log: its writes, and whose it is.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    super::Context,
    event::{Event, User},
    kept::Kept,
};

/// Older writes say nothing of a change between two runs, of which monthly ones are the rarest.
const MAX_AGE: TimeDelta = TimeDelta::days(35);
/// Service accounts and nodes by which a log is recognised as the cluster's.
const MAX_KNOWN: usize = 1_000;

/// When the first and the last event ended.
pub(super) type Span = (DateTime<Utc>, DateTime<Utc>);

/// What one file holds.
pub(super) struct Log<'a> {
    context: &'a Context<'a>,
    pub(super) kept: Kept,
    pub(super) events: u64,
    pub(super) span: Option<Span>,
    /// uids of service accounts of kube-system, by name.
    accounts: BTreeMap<String, String>,
    nodes: BTreeSet<String>,
}

impl<'a> Log<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        let (accounts, nodes) = (BTreeMap::new(), BTreeSet::new());
        Self { context, kept: Kept::default(), events: 0, span: None, accounts, nodes }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.events += 1;
        self.recognise(event.user());
        let Some(time) = event.time() else { return };
        self.span = Some(self.span.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
        let wanted = &self.context.wanted;
        if wanted.until < time {
            return;
        }
        let written = event.written().filter(|written| wanted.resources.contains(&written.write.resource_id()));
        match written {
            Some(old) if time < wanted.until - MAX_AGE => self.kept.leave_out(&old),
            Some(written) => self.kept.add(written),
            None => {}
        }
    }

    /// Remembers who of the cluster's own components asked.
    fn recognise(&mut self, user: &User) {
        if let Some(node) = user.username.strip_prefix("system:node:") {
            if self.nodes.len() < MAX_KNOWN {
                self.nodes.insert(node.to_owned());
            }
        } else if let Some(account) = user.username.strip_prefix("system:serviceaccount:kube-system:")
            && let Some(uid) = user.uid.as_ref().filter(|uid| !uid.is_empty())
            && self.accounts.len() < MAX_KNOWN
        {
            self.accounts.insert(account.to_owned(), uid.clone());
        }
    }

    /// What speaks against the log being this cluster's: none of the components that it shares a name with is the same.
    pub(super) fn objection(&self) -> Option<String> {
        let known = &self.context.wanted.accounts;
        let mut shared = self.accounts.iter().filter_map(|(name, uid)| Some((name, known.get(name)? == uid)));
        if let Some((account, is_same)) = shared.next() {
            let other = !is_same && shared.all(|(_, is_same)| !is_same);
            return other.then(|| format!("its service account kube-system/{account} has another uid"));
        }
        let (node, nodes) = (self.nodes.first()?, self.context.nodes?);
        let none = nodes.is_disjoint(&self.nodes) && !nodes.is_empty();
        none.then(|| format!("this cluster has no node '{node}' nor any other that the log names"))
    }
}
