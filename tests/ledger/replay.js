// Has anvil, an engine that shares no code with ours, take the raw transactions of a chain, and prints what came of it.
//
//   node replay.js chain.json     {"anvil": program, "genesis": <genesis.json>, "contract": address, "slots": [hex],
//                                  "blocks": [{"time": seconds, "raw": [hex]}]}
//
// anvil listens on a port of the loopback interface that the system chooses, and ends with this program.
"use strict";
const { spawn } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const chain = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "anvil-"));
fs.writeFileSync(path.join(folder, "genesis.json"), JSON.stringify(chain.genesis));
const anvil = spawn(chain.anvil, [
  ...["--init", path.join(folder, "genesis.json"), "--chain-id", String(chain.genesis.config.chainId)],
  ...["--hardfork", "osaka", "--no-mining", "--port", "0", "--accounts", "0", "--order", "fifo"],
  ...["--gas-limit", String(Number(chain.genesis.gasLimit)), "--timestamp", String(Number(chain.genesis.timestamp))],
  ...["--block-base-fee-per-gas", String(Number(chain.genesis.baseFeePerGas))],
]);
process.on("exit", () => {
  anvil.kill();
  fs.rmSync(folder, { recursive: true, force: true });
});

function listening() {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (bytes) => {
      said += bytes;
      const found = said.match(/Listening on (127\.0\.0\.1:\d+)/);
      if (found) resolve(`http://${found[1]}`);
    };
    anvil.stdout.on("data", hear);
    anvil.stderr.on("data", hear);
    anvil.on("exit", () => reject(new Error(`anvil ended: ${said}`)));
  });
}

async function main() {
  const url = await listening();
  let id = 0;
  const call = async (method, ...params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params });
    const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const answer = await response.json();
    if (answer.error) throw new Error(`${method}: ${JSON.stringify(answer.error)}`);
    return answer.result;
  };
  const receipts = [];
  for (const block of chain.blocks) {
    const hashes = [];
    for (const raw of block.raw) hashes.push(await call("eth_sendRawTransaction", `0x${raw}`));
    await call("evm_mine", { timestamp: block.time });
    for (const hash of hashes) {
      const { status, gasUsed, logs } = await call("eth_getTransactionReceipt", hash);
      const said = logs.map(({ address, topics, data }) => ({ address, topics, data }));
      receipts.push({ status: Number(status), gas: Number(gasUsed), logs: said });
    }
  }
  const slots = [];
  for (const slot of chain.slots) slots.push(await call("eth_getStorageAt", chain.contract, slot, "latest"));
  const code = await call("eth_getCode", chain.contract, "latest");
  console.log(JSON.stringify({ receipts, slots, code }));
  process.exit(0);
}
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
