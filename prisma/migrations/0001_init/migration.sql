-- Written by hand after prisma/schema.prisma; a test reads every column of every model.

CREATE TABLE "realm" (
    "name" TEXT NOT NULL,
    "epoch" TEXT NOT NULL,
    "revision" BIGINT NOT NULL DEFAULT 0,
    "chain" BYTEA NOT NULL,
    "state_digest" BYTEA NOT NULL,
    "signing_key_id" INTEGER NOT NULL,
    "signing_public" BYTEA NOT NULL,
    "signing_private" BYTEA NOT NULL,
    "next_credential" INTEGER NOT NULL DEFAULT 1,
    "next_grant" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "realm_pkey" PRIMARY KEY ("name"),
    CONSTRAINT "realm_revision_check" CHECK ("revision" >= 0),
    CONSTRAINT "realm_chain_check" CHECK (octet_length("chain") = 32 AND octet_length("state_digest") = 32)
) WITH (fillfactor = 20);

CREATE TABLE "revision" (
    "realm" TEXT NOT NULL,
    "revision" BIGINT NOT NULL,
    "records" BYTEA NOT NULL,
    "chain" BYTEA NOT NULL,
    "state_digest" BYTEA NOT NULL,
    "urgent" BOOLEAN NOT NULL DEFAULT false,
    "summary" JSONB NOT NULL,
    "actor" TEXT NOT NULL,
    "committed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "revision_pkey" PRIMARY KEY ("realm", "revision")
);

CREATE TABLE "entity" (
    "realm" TEXT NOT NULL,
    "kind" SMALLINT NOT NULL,
    "id" TEXT NOT NULL,
    "payload" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,
    "revision" BIGINT NOT NULL,
    CONSTRAINT "entity_pkey" PRIMARY KEY ("realm", "kind", "id")
);

CREATE TABLE "config_object" (
    "realm" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "owner" TEXT,
    "revision" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "config_object_pkey" PRIMARY KEY ("realm", "kind", "name")
);

CREATE TABLE "grant_set" (
    "realm" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "hash" BYTEA NOT NULL,
    "content" JSONB NOT NULL,
    CONSTRAINT "grant_set_pkey" PRIMARY KEY ("realm", "number")
);
CREATE UNIQUE INDEX "grant_set_realm_hash_key" ON "grant_set"("realm", "hash");

CREATE TABLE "credential" (
    "id" TEXT NOT NULL,
    "realm" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "owner" TEXT,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "grant_number" INTEGER NOT NULL,
    "scopes" TEXT[],
    "routes" TEXT[],
    "routes_set" BOOLEAN NOT NULL DEFAULT false,
    "cidrs" TEXT[],
    "cidrs_set" BOOLEAN NOT NULL DEFAULT false,
    "quota" JSONB,
    "request_budget" BIGINT,
    "rotation" JSONB,
    "rotation_due_at" TIMESTAMPTZ(3),
    "state" TEXT NOT NULL DEFAULT 'active',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "credential_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "credential_realm_name_key" ON "credential"("realm", "name");
CREATE UNIQUE INDEX "credential_realm_number_key" ON "credential"("realm", "number");
CREATE INDEX "credential_realm_created_at_id_idx" ON "credential"("realm", "created_at", "id");

CREATE TABLE "key_version" (
    "kid" TEXT NOT NULL,
    "realm" TEXT NOT NULL,
    "credential_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "digest" BYTEA NOT NULL,
    "pepper_version" INTEGER NOT NULL,
    "last_four" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "not_after" TIMESTAMPTZ(3),
    "reason" TEXT,
    "budget_limit" BIGINT,
    "budget_allotted" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "last_address" TEXT,
    "last_user_agent" TEXT,
    CONSTRAINT "key_version_pkey" PRIMARY KEY ("kid"),
    CONSTRAINT "key_version_digest_check" CHECK (octet_length("digest") = 16),
    CONSTRAINT "key_version_allotted_check" CHECK ("budget_allotted" >= 0)
);
CREATE UNIQUE INDEX "key_version_credential_id_number_key" ON "key_version"("credential_id", "number");
CREATE INDEX "key_version_realm_state_idx" ON "key_version"("realm", "state");
ALTER TABLE "key_version" ADD CONSTRAINT "key_version_credential_id_fkey"
    FOREIGN KEY ("credential_id") REFERENCES "credential"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

CREATE TABLE "rotation" (
    "id" TEXT NOT NULL,
    "realm" TEXT NOT NULL,
    "credential_id" TEXT NOT NULL,
    "from_kid" TEXT NOT NULL,
    "to_kid" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "grace_until" TIMESTAMPTZ(3) NOT NULL,
    "actor" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),
    CONSTRAINT "rotation_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "rotation_realm_created_at_id_idx" ON "rotation"("realm", "created_at", "id");
CREATE INDEX "rotation_credential_id_idx" ON "rotation"("credential_id");

CREATE TABLE "quota_window" (
    "realm" TEXT NOT NULL,
    "credential" INTEGER NOT NULL,
    "window" TEXT NOT NULL,
    "limit_total" BIGINT NOT NULL,
    "allotted" BIGINT NOT NULL DEFAULT 0,
    "ends_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "quota_window_pkey" PRIMARY KEY ("realm", "credential", "window"),
    CONSTRAINT "quota_window_allotted_check" CHECK ("allotted" >= 0)
);

CREATE TABLE "usage_day" (
    "realm" TEXT NOT NULL,
    "kid" TEXT NOT NULL,
    "day" TEXT NOT NULL,
    "allowed" BIGINT NOT NULL DEFAULT 0,
    "refused" BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "usage_day_pkey" PRIMARY KEY ("realm", "kid", "day")
);

CREATE TABLE "usage_report" (
    "boot_id" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "usage_report_pkey" PRIMARY KEY ("boot_id", "seq")
);

CREATE TABLE "access_token" (
    "kid" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "realm" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "digest" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    CONSTRAINT "access_token_pkey" PRIMARY KEY ("kid")
);
CREATE INDEX "access_token_realm_kind_idx" ON "access_token"("realm", "kind");

CREATE TABLE "node" (
    "realm" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "public_key" TEXT NOT NULL,
    "boot_id" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "token_kid" TEXT NOT NULL,
    "epoch" TEXT,
    "applied" BIGINT NOT NULL DEFAULT 0,
    "durable" BIGINT NOT NULL DEFAULT 0,
    "digest" TEXT,
    "quarantined" JSONB NOT NULL DEFAULT '[]',
    "connected_to" TEXT,
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "node_pkey" PRIMARY KEY ("realm", "name")
);

CREATE TABLE "secret" (
    "realm" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "field" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "sealed" BYTEA NOT NULL,
    "updated_by" TEXT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "secret_pkey" PRIMARY KEY ("realm", "path", "field")
);

CREATE TABLE "audit_event" (
    "seq" BIGSERIAL NOT NULL,
    "realm" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "address" TEXT,
    "request_id" TEXT NOT NULL,
    "revision" BIGINT,
    "before" JSONB,
    "after" JSONB,
    CONSTRAINT "audit_event_pkey" PRIMARY KEY ("seq")
);
CREATE INDEX "audit_event_realm_seq_idx" ON "audit_event"("realm", "seq");

CREATE TABLE "idempotent_reply" (
    "realm" TEXT NOT NULL,
    "token_kid" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "status" INTEGER NOT NULL,
    "body" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "idempotent_reply_pkey" PRIMARY KEY ("realm", "token_kid", "key")
);

-- The audit trail and the revision log only grow. TRUNCATE fires statement triggers, hence FOR EACH STATEMENT.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME;
END $$;
CREATE TRIGGER "audit_event_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_event"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "revision_append_only" BEFORE UPDATE OR TRUNCATE ON "revision"
    FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

-- Debit guard. A plain CHECK (allotted <= limit) would forbid lowering a limit below what was already handed out;
-- what must never happen is a debit that ends above the limit.
CREATE FUNCTION "refuse_quota_overdraft"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.allotted > NEW.limit_total AND (TG_OP = 'INSERT' OR NEW.allotted > OLD.allotted) THEN
        RAISE EXCEPTION 'quota debit beyond the limit' USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER "quota_window_no_overdraft" BEFORE INSERT OR UPDATE ON "quota_window"
    FOR EACH ROW EXECUTE FUNCTION "refuse_quota_overdraft"();

CREATE FUNCTION "refuse_budget_overdraft"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.budget_limit IS NOT NULL AND NEW.budget_allotted > NEW.budget_limit
       AND (TG_OP = 'INSERT' OR NEW.budget_allotted > OLD.budget_allotted) THEN
        RAISE EXCEPTION 'budget debit beyond the limit' USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER "key_version_no_overdraft" BEFORE INSERT OR UPDATE OF "budget_allotted" ON "key_version"
    FOR EACH ROW EXECUTE FUNCTION "refuse_budget_overdraft"();

-- At most two live versions a credential, judged at commit, so that the order of statements is free. "Live" is judged at the
-- birth of the newest version (the control plane's clock, as all deadlines), never by the database's own clock.
CREATE FUNCTION "refuse_third_live_version"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    live INTEGER;
BEGIN
    PERFORM 1 FROM credential WHERE id = NEW.credential_id FOR UPDATE;
    SELECT count(*) INTO live FROM key_version v
     WHERE v.credential_id = NEW.credential_id
       AND v.state IN ('active', 'retiring', 'suspended')
       AND (v.not_after IS NULL OR v.not_after > (SELECT max(n.created_at) FROM key_version n WHERE n.credential_id = NEW.credential_id));
    IF live > 2 THEN
        RAISE EXCEPTION 'a credential has at most two live versions' USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "key_version_two_live" AFTER INSERT OR UPDATE OF "state", "not_after" ON "key_version"
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "refuse_third_live_version"();
