-- The token issuer: its keyring, its clients, and what must be remembered until a token has ended.

-- One record per realm, so that there is one current key. Public halves only; which rotation step is due is policy's arithmetic.
CREATE TABLE "issuer_keyring" (
    "realm" TEXT NOT NULL,
    "ring" JSONB NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "issuer_keyring_pkey" PRIMARY KEY ("realm"),
    CONSTRAINT "issuer_keyring_current_check" CHECK (jsonb_typeof("ring" -> 'current' -> 'kid') = 'string')
);

-- Private halves of the local signer, sealed under the KEK. A signer that keeps its keys elsewhere has no rows here.
CREATE TABLE "signing_key" (
    "kid" TEXT NOT NULL,
    "realm" TEXT NOT NULL,
    "algorithm" TEXT NOT NULL,
    "public_jwk" JSONB NOT NULL,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "signing_key_pkey" PRIMARY KEY ("realm", "kid"),
    -- No JWK with a private member, and no PEM or bare DER in place of a sealed value, whoever writes here.
    CONSTRAINT "signing_key_public_check" CHECK (NOT ("public_jwk" ?| ARRAY['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'])),
    CONSTRAINT "signing_key_sealed_check" CHECK (octet_length("sealed") > 29 AND get_byte("sealed", 0) = 1)
);
CREATE INDEX "signing_key_realm_created_at_idx" ON "signing_key"("realm", "created_at");

CREATE TABLE "oauth_client" (
    "client_id" TEXT NOT NULL,
    "realm" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "owner" TEXT,
    "auth_method" TEXT NOT NULL,
    "jwks" JSONB,
    "jwks_uri" TEXT,
    "scopes" TEXT[],
    "audiences" TEXT[],
    "token_ttl_ms" INTEGER NOT NULL,
    "may_introspect" BOOLEAN NOT NULL DEFAULT false,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    CONSTRAINT "oauth_client_pkey" PRIMARY KEY ("client_id"),
    CONSTRAINT "oauth_client_method_check" CHECK (
        ("auth_method" IN ('client_secret_basic', 'client_secret_post') AND "jwks" IS NULL AND "jwks_uri" IS NULL)
        OR ("auth_method" = 'private_key_jwt' AND ("jwks" IS NULL) <> ("jwks_uri" IS NULL))),
    CONSTRAINT "oauth_client_ttl_check" CHECK ("token_ttl_ms" BETWEEN 1000 AND 3600000)
);
CREATE UNIQUE INDEX "oauth_client_realm_name_key" ON "oauth_client"("realm", "name");
CREATE INDEX "oauth_client_realm_created_at_client_id_idx" ON "oauth_client"("realm", "created_at", "client_id");

-- Two places, so a client cannot have a third secret. `digest` is a MAC under a key derived from the KEK; the secret is stored nowhere.
CREATE TABLE "oauth_client_secret" (
    "client_id" TEXT NOT NULL,
    "slot" SMALLINT NOT NULL,
    "kid" TEXT NOT NULL,
    "digest" BYTEA NOT NULL,
    "last_four" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "not_after" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    CONSTRAINT "oauth_client_secret_pkey" PRIMARY KEY ("client_id", "slot"),
    CONSTRAINT "oauth_client_secret_slot_check" CHECK ("slot" IN (1, 2)),
    CONSTRAINT "oauth_client_secret_digest_check" CHECK (octet_length("digest") = 32),
    CONSTRAINT "oauth_client_secret_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "oauth_client"("client_id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "oauth_client_secret_kid_key" ON "oauth_client_secret"("kid");

-- Assertions of private_key_jwt that were used: each once (RFC 7523 section 3, item 7). Kept until they have expired.
CREATE TABLE "client_assertion" (
    "client_id" TEXT NOT NULL,
    "jti_hash" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "client_assertion_pkey" PRIMARY KEY ("client_id", "jti_hash")
);
CREATE INDEX "client_assertion_expires_at_idx" ON "client_assertion"("expires_at");

-- Access tokens that were revoked before their end (RFC 7009). Kept until then.
CREATE TABLE "revoked_token" (
    "realm" TEXT NOT NULL,
    "jti" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "revoked_token_pkey" PRIMARY KEY ("realm", "jti")
);
CREATE INDEX "revoked_token_expires_at_idx" ON "revoked_token"("expires_at");
