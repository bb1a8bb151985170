// Executes an exported ledger on EthereumJS, an engine that shares no code with ours, checks the seal of every block with
// its cryptography, and prints the head.
//
//   node reexecute.js DIR     what `cellbed ledger export` wrote there
"use strict";
const fs = require("fs");
const path = require("path");
const load = (name) => require(require.resolve(name, { paths: [process.env.ETHEREUMJS_DIR, "."] }));
const { createCommonFromGethGenesis, parseGethGenesisState } = load("@ethereumjs/common");
const { createBlockchain } = load("@ethereumjs/blockchain");
const { createBlockFromRLP } = load("@ethereumjs/block");
const { createVM, runBlock } = load("@ethereumjs/vm");
const { RLP } = load("@ethereumjs/rlp");
const { bytesToHex, concatBytes, ecrecover, hexToBytes, pubToAddress, setLengthLeft, utf8ToBytes } =
  load("@ethereumjs/util");
const { keccak_256: keccak } = load("@noble/hashes/sha3.js");
const { MerkleStateManager } = load("@ethereumjs/statemanager");

const word = (number) => setLengthLeft(hexToBytes("0x" + BigInt(number).toString(16).padStart(64, "0")), 32);
const text = (value) => keccak(utf8ToBytes(value));

// EIP-712, by hand.
function signed(seal, chainId, genesis) {
  const domain = keccak(
    concatBytes(
      text("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)"),
      text("cellbed ledger"),
      text("1"),
      word(chainId),
      genesis,
    ),
  );
  const kind = "Precommit(uint64 height,uint32 round,bytes32 block,bytes32 validators,uint64 timeMs)";
  const value = keccak(
    concatBytes(
      text(kind),
      word(seal.height),
      word(seal.round),
      hexToBytes(seal.block),
      hexToBytes(seal.validators),
      word(seal.timeMs),
    ),
  );
  return keccak(concatBytes(hexToBytes("0x1901"), domain, value));
}

function checkSeal(seal, block, section, chainId, genesis) {
  if (seal.block !== bytesToHex(block.hash())) throw new Error("the seal is of another block");
  const set = section.validators.map(({ address, power }) => [hexToBytes(address), BigInt(power)]);
  if (seal.validators !== bytesToHex(keccak(RLP.encode(set)))) throw new Error("the seal is of another set");
  const digest = signed(seal, chainId, genesis);
  let power = 0n;
  for (const { validator, signature } of seal.signatures) {
    const bytes = hexToBytes(signature);
    const key = ecrecover(digest, BigInt(bytes[64]), bytes.slice(0, 32), bytes.slice(32, 64));
    const address = bytesToHex(pubToAddress(key));
    const known = section.validators.find((one) => one.address === address);
    if (address !== validator.toLowerCase() || !known) throw new Error("the seal is of nobody who seals");
    power += BigInt(known.power);
  }
  const total = section.validators.reduce((sum, one) => sum + BigInt(one.power), 0n);
  if (power * 3n <= total * 2n) throw new Error("too few have sealed it");
}

async function main() {
  const file = (name) => fs.readFileSync(path.join(process.argv[2], name));
  const genesis = JSON.parse(file("genesis.json"));
  const seals = file("seals.jsonl").toString().trim().split("\n").map((line) => JSON.parse(line));
  const common = createCommonFromGethGenesis(genesis, { chain: "cellbed" });
  common.setHardfork("osaka");
  const genesisState = parseGethGenesisState(genesis);
  const stateManager = new MerkleStateManager({ common });
  const blockchain = await createBlockchain({ common, genesisState, validateBlocks: false, validateConsensus: false });
  await stateManager.generateCanonicalGenesis(genesisState);
  const vm = await createVM({ common, blockchain, stateManager });
  let root = await stateManager.getStateRoot();
  let parent = blockchain.genesisBlock;
  const first = parent.hash();
  let rest = new Uint8Array(file("blocks.rlp"));
  while (rest.length > 0) {
    const { data, remainder } = RLP.decode(rest, true);
    const block = createBlockFromRLP(RLP.encode(data), { common });
    rest = remainder;
    if (bytesToHex(block.header.parentHash) !== bytesToHex(parent.hash())) throw new Error("a broken link");
    checkSeal(seals.shift(), block, genesis.config.cellbed, genesis.config.chainId, first);
    // runBlock compares the state root, receipts root, bloom and gas with the header and throws.
    const result = await runBlock(vm, { block, root, skipHeaderValidation: true });
    root = result.stateRoot;
    await blockchain.putBlock(block);
    parent = block;
  }
  if (seals.length > 0) throw new Error("a seal without a block");
  console.log(JSON.stringify({ head: bytesToHex(parent.hash()), stateRoot: bytesToHex(root) }));
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
