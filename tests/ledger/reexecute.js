// Executes an exported chain on EthereumJS, an engine that shares no code with ours, and prints the head.
//
//   node reexecute.js chain.json     {"genesis": <genesis.json>, "records": [hex of each stored block]}
"use strict";
const fs = require("fs");
const load = (name) => require(require.resolve(name, { paths: [process.env.ETHEREUMJS_DIR, "."] }));
const { createCommonFromGethGenesis, parseGethGenesisState } = load("@ethereumjs/common");
const { createBlockchain } = load("@ethereumjs/blockchain");
const { createBlockFromRLP } = load("@ethereumjs/block");
const { createVM, runBlock } = load("@ethereumjs/vm");
const { RLP } = load("@ethereumjs/rlp");
const { bytesToHex, hexToBytes } = load("@ethereumjs/util");
const { MerkleStateManager } = load("@ethereumjs/statemanager");

async function main() {
  const chain = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  const genesis = chain.genesis;
  const common = createCommonFromGethGenesis(genesis, { chain: "cellbed" });
  common.setHardfork("osaka");
  const genesisState = parseGethGenesisState(genesis);
  const stateManager = new MerkleStateManager({ common });
  const blockchain = await createBlockchain({ common, genesisState, validateBlocks: false, validateConsensus: false });
  await stateManager.generateCanonicalGenesis(genesisState);
  const vm = await createVM({ common, blockchain, stateManager });
  let root = await stateManager.getStateRoot();
  let parent = blockchain.genesisBlock;
  for (const record of chain.records) {
    const raw = RLP.encode(RLP.decode(hexToBytes("0x" + record))[0]);
    const block = createBlockFromRLP(raw, { common });
    if (bytesToHex(block.header.parentHash) !== bytesToHex(parent.hash())) throw new Error("a broken link");
    // runBlock compares the state root, receipts root, bloom and gas with the header and throws.
    const result = await runBlock(vm, { block, root, skipHeaderValidation: true });
    root = result.stateRoot;
    await blockchain.putBlock(block);
    parent = block;
  }
  console.log(JSON.stringify({ head: bytesToHex(parent.hash()), stateRoot: bytesToHex(root) }));
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
