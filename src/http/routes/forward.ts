import { Hono } from "hono";
import type { AnswerByClerk } from "../clerk-answer.js";
import type { HttpEnv } from "../respond.js";

/** Every request that is Clerk's to answer: all that no route before this one took. */
export function writesRoutes(answerByClerk: AnswerByClerk): Hono<HttpEnv> {
  return new Hono<HttpEnv>().all("*", answerByClerk);
}
