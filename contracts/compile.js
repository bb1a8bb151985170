// Compiles DeviceRegistry.sol with the pinned compiler and the settings of the committed artefact.
//
//   node compile.js           writes DeviceRegistry.json
//   node compile.js --print   prints the artefact and writes nothing (what the test compares)
//
// `solc` is found in ./node_modules, or in the directory named by SOLC_JS_DIR.
"use strict";
const fs = require("fs");
const path = require("path");

const from = [process.env.SOLC_JS_DIR, __dirname].filter(Boolean);
const solc = require(require.resolve("solc", { paths: from }));

const settings = {
  evmVersion: "osaka",
  optimizer: { enabled: true, runs: 10000 },
  // No metadata, so that the bytecode depends on the source text alone.
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"] } },
};
const input = {
  language: "Solidity",
  sources: {
    "DeviceRegistry.sol": { content: fs.readFileSync(path.join(__dirname, "DeviceRegistry.sol"), "utf8") },
  },
  settings,
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const faults = output.errors || [];
if (faults.length > 0) {
  process.stderr.write(faults.map((fault) => fault.formattedMessage).join("\n"));
  process.exit(1);
}
const contract = output.contracts["DeviceRegistry.sol"].DeviceRegistry;
const plain = (type) => type.replace(/\b(struct|enum) (DeviceRegistry\.)?/g, "");
const { storage, types } = contract.storageLayout;
const place = ({ label, slot, offset, type }) => ({ label, slot: Number(slot), offset, type: plain(types[type].label) });
const structs = Object.values(types).filter((type) => type.members);
const layout = {
  variables: storage.map(place),
  structs: Object.fromEntries(structs.map((type) => [plain(type.label), type.members.map(place)])),
};
const artefact = {
  compiler: solc.version(),
  evmVersion: settings.evmVersion,
  optimizerRuns: settings.optimizer.runs,
  creation: "0x" + contract.evm.bytecode.object,
  runtime: "0x" + contract.evm.deployedBytecode.object,
  abi: contract.abi,
  layout,
};
const text = JSON.stringify(artefact, null, 2) + "\n";
if (process.argv.includes("--print")) {
  process.stdout.write(text);
} else {
  fs.writeFileSync(path.join(__dirname, "DeviceRegistry.json"), text);
}
