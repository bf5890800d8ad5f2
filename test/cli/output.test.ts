import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { CLI } from "../support/programs.js";

test.each([["--help"], ["users", "--help"], ["nonsense"]])(
  "a reader that leaves before the output ends is no failure: %s",
  async (...args) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    // Gone before a byte was written, as `| head -0` is.
    child.stdout.destroy();
    if (args[0] === "nonsense") child.stderr.destroy();
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => {
      complaint += chunk;
    });
    const [code] = await once(child, "exit");
    expect({ code, complaint }).toEqual({ code: args[0] === "nonsense" ? 2 : 0, complaint: "" });
  },
);
