import { Hono } from "hono";
import type { AnswerByClerk } from "../clerk-answer.js";
import type { HttpEnv } from "../respond.js";

/** Forwards every request that no route before this one took: it is Clerk's to answer. */
export function forwardRoutes(answerByClerk: AnswerByClerk): Hono<HttpEnv> {
  return new Hono<HttpEnv>().all("*", answerByClerk);
}
