//! How far a step has come.

/// How far a step has come.
pub enum Flow {
    /// Something has to come in first.
    Waiting,
    /// Something was done; there may be more to do.
    Progress,
    /// The modem is to attach.
    Attach,
    /// The modem is to detach.
    Detach,
    /// The card holds another subscriber now, whom the modem has to attach before the step goes on.
    CardChanged,
    /// The device is to start anew, on purpose.
    Restart,
    /// The step is done; this is what it proves.
    Done(String),
}
