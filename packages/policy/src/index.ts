export { type Address, formatAddress, isV4, parseAddress } from './access/address.ts';
export { type Cidr, type CidrSet, cidrProblem, compileCidrs, formatCidr, parseCidr } from './access/cidr.ts';
export { clientAddress } from './access/client-address.ts';
export { isScope, missingScope } from './access/scopes.ts';
export { BASE62_DIGITS, encodeBase62, encodeChecksum } from './credentials/base62.ts';
export { crc32 } from './credentials/crc32.ts';
export {
  encodeKid,
  encodeSecret,
  formatKey,
  formatSigningSecret,
  KEY_PATTERN,
  type KeyFault,
  type KeyKind,
  keyMessage,
  maskKey,
  matchKey,
  type ParsedKey,
  parseKey,
  REALM_PATTERN,
  redactKeys,
  signingMessage,
} from './credentials/key.ts';
export {
  abortRotation,
  effectiveState,
  finishRotation,
  liveVersions,
  openRotation,
  type RotateInput,
  renewVersion,
  resumeVersions,
  revokeVersions,
  rotateVersions,
  type StoredVersionState,
  suspendVersions,
  type Version,
  type VersionChange,
  type VersionProblem,
  type VersionRefusal,
  type VersionResult,
  type VersionState,
  verifiesUntilMs,
} from './credentials/versions.ts';
export type { CompiledEdges } from './edges/compile.ts';
export type { CompiledCors } from './edges/cors.ts';
export { type Change, type Direction, type HeaderProblem, headerChangeProblem, headerValueProblem } from './edges/headers.ts';
export { splitListenAddress } from './edges/judge.ts';
export {
  type ClientCerts,
  type CorsSpec,
  type EdgeLimits,
  type HeaderChanges,
  type Listener,
  type Outlier,
  PLAIN_LISTENER,
  PLAIN_ROUTE,
  PLAIN_UPSTREAM,
  type ProxyProtocol,
  type RequestChanges,
  type RouteEdges,
  type UpstreamEdges,
  type UpstreamTls,
  type WebSocketSpec,
} from './edges/model.ts';
export { type OriginReading, readOrigin } from './edges/origins.ts';
export { formatSize, parseSize } from './edges/sizes.ts';
export { type CompiledHeaders, type CompiledRequest, changedPath, type PathChange } from './edges/transform.ts';
export { EMPTY_SETTINGS } from './empty.ts';
export { decodeBase64, encodeBase64 } from './fields/base64.ts';
export { parseDictionary, parseItem, parseList } from './fields/parse.ts';
export { serializeDictionary, serializeInnerList, serializeItem, serializeList } from './fields/serialize.ts';
export {
  type BareItem,
  type FieldItem,
  type FieldMember,
  type FieldParameters,
  type FieldReading,
  type InnerList,
  isInnerList,
} from './fields/structured.ts';
export {
  DEFAULT_KEYRING_TIMES,
  foundKeyring,
  isKeyringRefusal,
  type Keyring,
  type KeyringRefusal,
  type KeyringStep,
  type KeyringTimes,
  nextStep,
  promotableAtMs,
  promote,
  published,
  type RingKey,
  replaceNow,
  retirableAtMs,
  retire,
  stage,
} from './issuance/keyring.ts';
export { type GcraVerdict, gcra } from './limits/gcra.ts';
export { type RateLimitField, type RatePolicyField, rateLimit, rateLimitPolicy, retryAfter } from './limits/headers.ts';
export { leaseSize } from './limits/lease.ts';
export { isZone, quotaWindow, type WindowAt } from './limits/quota.ts';
export type {
  ApiKeySettings,
  Balance,
  ErrorResponse,
  Grant,
  GrantSigning,
  HealthSpec,
  JwtSettings,
  KeyRecord,
  KeyState,
  Middleware,
  OAuth2Settings,
  OnAuthorityLoss,
  Quota,
  QuotaWindow,
  Rate,
  RealmConfig,
  RouteSpec,
  Settings,
  TierSpec,
  UpstreamSpec,
} from './model.ts';
export { authenticates, type CompiledCheck } from './plan/checks.ts';
export {
  type AddressLimit,
  type CompiledApiKey,
  type CompiledRoute,
  type CompiledTier,
  compilePlan,
  DEFAULT_API_KEY_SETTINGS,
  type Plan,
} from './plan/compile.ts';
export type { ConfigFinding, FindingCode } from './plan/findings.ts';
export { IDENTITY_HEADERS, isIdentityHeader, normaliseHeaderName } from './plan/identity.ts';
export { judgeConfig } from './plan/judge.ts';
export type { TokenProvider } from './plan/providers.ts';
export { type CompiledTemplate, compileTemplate } from './plan/template.ts';
export { type CompiledTarget, type CompiledUpstream, DEFAULT_UPSTREAM, parseTargetUrl } from './plan/upstream.ts';
export {
  isRefusalCode,
  REFUSALS,
  type Refusal,
  type RefusalCode,
  type RefusalScope,
  type RefusalSpec,
  refuse,
} from './refusals.ts';
export type { RouteExplanation, RouteMatch } from './routing/table.ts';
export { type CanonicalTarget, canonicalPrefix, canonicalTarget, routingPath } from './routing/target.ts';
export { signatureBase } from './signatures/base.ts';
export { type ComposedSignature, composeSignature, contentDigestField, type SignatureOrder } from './signatures/compose.ts';
export { type ContentDigest, readContentDigest } from './signatures/digest.ts';
export { canonicalAuthority, type SignedMessage } from './signatures/message.ts';
export {
  type ReadSignature,
  readSignature,
  type SignatureAlgorithm,
  type SignatureFault,
} from './signatures/read.ts';
export {
  acceptSignature,
  DEFAULT_SIGNATURE_AGE_MS,
  isCoverable,
  SIGNATURE_SKEW_S,
  SIGNATURE_TAG,
  SIGNED_BODY_BYTES_MAX,
  type SignatureSpec,
} from './signatures/rules.ts';
export { type Algorithm, algorithmOf } from './tokens/algorithms.ts';
export { decodeBase64url, decodeUtf8 } from './tokens/base64url.ts';
export { type Bearer, readBearer } from './tokens/bearer.ts';
export { type BearerError, bearerChallenge } from './tokens/challenge.ts';
export { type ClaimsProblem, isIssuedBy, judgeClaims, type TokenReason, type TokenRules } from './tokens/claims.ts';
export { claimHeaders, headerValue } from './tokens/headers.ts';
export { agrees, type KeySet, type PublicJwk, readJwk, readKeySet } from './tokens/jwk.ts';
export { type CompactJws, type JwsDecoder, type JwsFault, readCompactJws, TOKEN_CHARS_MAX } from './tokens/jws.ts';
export { isObject, type JsonObject, parseObject } from './tokens/members.ts';
export { isTokenPreset, scopesOf, TOKEN_PRESETS, type TokenPreset, type TokenPresetName } from './tokens/scopes.ts';
export {
  formatDuration,
  formatQuota,
  formatRate,
  parseDuration,
  parseQuota,
  parseRate,
  type UnitFault,
  type UnitResult,
} from './units.ts';
