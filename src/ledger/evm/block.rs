//! A block as it is stored: the Ethereum block (RLP, raw EIP-2718 transactions inside), its receipts without the
//! blooms that they imply, and what it changed in the state.

use alloy_consensus::proofs::calculate_receipt_root;
use alloy_consensus::{
    Block, BlockBody, Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope, TxType,
    Typed2718,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Log};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use alloy_trie::root::ordered_trie_root_with_encoder;

use super::world::AccountChange;

/// One block with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct StoredBlock {
    pub block: Block<TxEnvelope>,
    pub receipts: Vec<StoredReceipt>,
    pub changes: Vec<AccountChange>,
}

/// A receipt without its bloom.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct StoredReceipt {
    /// The EIP-2718 type of the transaction.
    pub kind: u8,
    pub success: bool,
    pub cumulative_gas_used: u64,
    pub logs: Vec<Log>,
}

impl StoredBlock {
    /// Puts a block together.
    pub fn new(
        header: Header,
        transactions: Vec<TxEnvelope>,
        receipts: &[ReceiptEnvelope],
        changes: Vec<AccountChange>,
    ) -> Self {
        let body = BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Default::default()) };
        let receipts = receipts.iter().map(StoredReceipt::new).collect();
        Self { block: Block::new(header, body), receipts, changes }
    }

    /// The bytes of the record.
    pub fn encode_record(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(self.length());
        self.encode(&mut record);
        record
    }

    /// Reads a record, in its only encoding.
    ///
    /// # Errors
    /// A text that says what is wrong with the bytes.
    pub fn decode_record(record: &[u8]) -> Result<Self, String> {
        let mut rest = record;
        let stored = Self::decode(&mut rest).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the block", rest.len()));
        }
        if stored.encode_record() != record {
            return Err("the encoding is not canonical".into());
        }
        Ok(stored)
    }

    /// Checks that the header speaks of these transactions and receipts.
    ///
    /// # Errors
    /// A text that says which part is not what the header says.
    pub fn check_body(&self) -> Result<(), String> {
        let header = &self.block.header;
        if transactions_root(self.block.body.transactions.iter()) != header.transactions_root {
            return Err("the transactions are not those of the header".into());
        }
        let receipts = self.receipts.iter().map(StoredReceipt::envelope).collect::<Result<Vec<_>, _>>()?;
        if calculate_receipt_root(&receipts) != header.receipts_root {
            return Err("the receipts are not those of the header".into());
        }
        if receipts.len() != self.block.body.transactions.len() {
            return Err("a transaction has no receipt".into());
        }
        Ok(())
    }
}

impl StoredReceipt {
    fn new(receipt: &ReceiptEnvelope) -> Self {
        Self {
            kind: receipt.ty(),
            success: receipt.status(),
            cumulative_gas_used: receipt.cumulative_gas_used(),
            logs: receipt.logs().to_vec(),
        }
    }

    fn envelope(&self) -> Result<ReceiptEnvelope, String> {
        let receipt = ReceiptWithBloom::from(Receipt {
            status: Eip658Value::Eip658(self.success),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs.clone(),
        });
        match TxType::try_from(self.kind) {
            Ok(TxType::Legacy) => Ok(ReceiptEnvelope::Legacy(receipt)),
            Ok(TxType::Eip2930) => Ok(ReceiptEnvelope::Eip2930(receipt)),
            Ok(TxType::Eip1559) => Ok(ReceiptEnvelope::Eip1559(receipt)),
            _ => Err(format!("a receipt is of type {}, which this chain does not take", self.kind)),
        }
    }
}

/// The root of the trie of raw transactions.
pub fn transactions_root<'a>(transactions: impl Iterator<Item = &'a TxEnvelope>) -> B256 {
    let transactions: Vec<_> = transactions.collect();
    ordered_trie_root_with_encoder(&transactions, |transaction, buffer| transaction.encode_2718(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_in_good_order(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(StoredBlock::decode_record(&bytes).is_err());
        }
    }
}
