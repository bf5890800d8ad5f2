import { z } from "zod";
import { RUN_MODES } from "../../../sync/ledger/run-kinds.js";
import { RUN_STATES } from "../../../sync/ledger/runs.js";
import { BODY_BYTES } from "../../body-limits.js";
import type { Operation } from "../operation.js";
import { newKey, reconcile } from "../requests.js";
import {
  configuration,
  createdKey,
  deadLetter,
  deadLetters,
  dropped,
  keys,
  queuedRun,
  replayed,
  revokedKey,
  run,
  runs,
  status,
  windows,
} from "../upkeep.js";
import { KEY_ID, LETTER_ID, RUN_ID } from "./ids.js";

export const UPKEEP: readonly Operation[] = [
  {
    ...{ method: "get", path: "/mirror/status", id: "readStatus", tag: "Operations" },
    summary: "How the mirror is",
    access: "admin",
    answer: { description: "The state of the mirror.", schema: status },
  },
  {
    ...{ method: "get", path: "/mirror/config", id: "readConfiguration", tag: "Operations" },
    summary: "The variables that hold",
    description: "Secrets are masked.",
    access: "admin",
    answer: { description: "Each variable of the environment.", schema: configuration },
  },
  {
    ...{ method: "post", path: "/mirror/reconcile", id: "startRun", tag: "Operations" },
    summary: "Compare with Clerk",
    description: "Queues a run. One that is queued already isn't queued twice.",
    access: "admin",
    body: {
      schema: reconcile,
      mostBytes: BODY_BYTES.small,
      examples: { "recent changes": { mode: "incremental" }, "without repairing": { mode: "dry_run" } },
    },
    status: 202,
    answer: { description: "The run is queued.", schema: queuedRun },
    errors: [400, 413, 422],
  },
  {
    ...{ method: "get", path: "/mirror/runs/{id}", id: "readRun", tag: "Operations" },
    summary: "Get a run",
    access: "admin",
    parameters: [RUN_ID],
    answer: { description: "The run.", schema: run },
    errors: [404],
  },
  {
    ...{ method: "get", path: "/mirror/runs", id: "listRuns", tag: "Operations" },
    summary: "List runs, the latest first",
    access: "admin",
    parameters: [
      {
        ...{ name: "limit", in: "query" },
        schema: z.int().min(1).max(100).meta({ default: 20 }),
        description: "How many.",
      },
      { ...{ name: "before", in: "query" }, schema: z.string(), description: "next of the page before." },
      { ...{ name: "mode", in: "query" }, schema: z.enum(RUN_MODES), description: "Only runs of this kind." },
      {
        ...{ name: "state", in: "query" },
        schema: z.enum(RUN_STATES),
        description: "Only runs in this state.",
      },
      {
        ...{ name: "differences", in: "query", schema: z.literal("true") },
        description: "Only runs that found something.",
      },
    ],
    answer: { description: "The runs.", schema: runs },
    errors: [404, 422],
  },
  {
    ...{ method: "get", path: "/mirror/runs/{id}/windows", id: "listWindows", tag: "Operations" },
    summary: "The parts that a run reads by themselves",
    access: "admin",
    parameters: [RUN_ID],
    answer: { description: "The first thousand, by the creation times of their users.", schema: windows },
    errors: [404],
  },
  {
    ...{ method: "post", path: "/mirror/runs/{id}/stop", id: "stopRun", tag: "Operations" },
    summary: "Stop a run",
    description:
      "Whichever process does it. What it has repaired stays; one that has ended stays as it ended.",
    access: "admin",
    parameters: [RUN_ID],
    answer: { description: "The run, ended.", schema: run },
    errors: [404, 409],
  },
  {
    ...{ method: "get", path: "/mirror/dead-letters/{id}", id: "readDeadLetter", tag: "Operations" },
    summary: "Get a dead letter with what is in it",
    description: "The content needs the scope users:read too; private metadata in it their own.",
    access: "admin",
    parameters: [LETTER_ID],
    answer: { description: "The dead letter.", schema: deadLetter },
    errors: [404],
  },
  {
    ...{ method: "get", path: "/mirror/dead-letters", id: "listDeadLetters", tag: "Operations" },
    summary: "List what couldn't be applied",
    access: "admin",
    answer: { description: "The dead letters.", schema: deadLetters },
  },
  {
    ...{
      method: "post",
      path: "/mirror/dead-letters/{id}/replay",
      id: "replayDeadLetter",
      tag: "Operations",
    },
    summary: "Try a dead letter again",
    access: "admin",
    parameters: [LETTER_ID],
    answer: { description: "What became of it.", schema: replayed },
    errors: [404],
  },
  {
    ...{ method: "delete", path: "/mirror/dead-letters/{id}", id: "dropDeadLetter", tag: "Operations" },
    summary: "Give a dead letter up",
    access: "admin",
    parameters: [LETTER_ID],
    answer: { description: "It is gone.", schema: dropped },
    errors: [404],
  },
  {
    ...{ method: "get", path: "/mirror/keys", id: "listKeys", tag: "Operations" },
    summary: "List keys",
    access: "admin",
    answer: { description: "The keys, without what they are.", schema: keys },
  },
  {
    ...{ method: "post", path: "/mirror/keys", id: "createKey", tag: "Operations" },
    summary: "Make a key",
    description: "It can do no more than the key that makes it.",
    access: "admin",
    body: {
      schema: newKey,
      mostBytes: BODY_BYTES.small,
      examples: {
        "for reading": { name: "reports", scopes: ["users:read"] },
        "with limits": { name: "assistant", scopes: ["users:read"], rate: 5, in_flight: 2 },
      },
    },
    status: 201,
    answer: { description: "The key, which is shown this once.", schema: createdKey },
    errors: [400, 409, 413, 422],
  },
  {
    ...{ method: "delete", path: "/mirror/keys/{id}", id: "revokeKey", tag: "Operations" },
    summary: "Revoke a key",
    access: "admin",
    parameters: [KEY_ID],
    answer: { description: "The key, revoked.", schema: revokedKey },
    errors: [404],
  },
];
