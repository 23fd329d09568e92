/**
 * The scenarios of the official conformance suite that this server can be held against, by revision. The others want tools,
 * prompts and resources that the suite prescribes (tools-call-*, resources-read-*, prompts-get-*, completion-complete,
 * resources-subscribe, json-schema-2020-12, elicitation-*, input-required-*), parts of the protocol that are not offered
 * (logging, tasks, skills), or headers of HTTP, which stdio has not got (http-*). Of server-stateless the checks on _meta,
 * discovery, versions, methods and subscriptions pass; five want prescribed tools or headers.
 */
const everywhere = [
  "tools-list",
  "resources-list",
  "prompts-list",
  "server-sse-multiple-streams",
  "dns-rebinding-protection",
];

export const APPLICABLE: Readonly<Record<string, readonly string[]>> = {
  "2025-11-25": ["server-initialize", "ping", "server-session-lifecycle", ...everywhere],
  "2026-07-28": [
    "caching",
    "sep-2164-resource-not-found",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-ignore-extra-params",
    "input-required-result-validate-input",
    ...everywhere,
  ],
};
