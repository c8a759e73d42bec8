-- Organizations, who belongs to them, and who was invited. The row of an organization with a limit is
-- what whoever joins it locks, so that no two count its members at once.
CREATE TABLE auth_organizations (
    tenant {text} NOT NULL,
    id {text} NOT NULL,
    slug {text} NOT NULL,
    member_limit {int},
    data {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_organizations_pkey PRIMARY KEY (tenant, id)
){table};
CREATE UNIQUE INDEX auth_organizations_slug ON auth_organizations (tenant, slug);
CREATE INDEX auth_organizations_by_creation ON auth_organizations (tenant, created_at, id);

CREATE TABLE auth_memberships (
    tenant {text} NOT NULL,
    organization {text} NOT NULL,
    identity {text} NOT NULL,
    roles {json} NOT NULL,
    version {int} NOT NULL,
    joined_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_memberships_pkey PRIMARY KEY (tenant, organization, identity),
    CONSTRAINT auth_memberships_organization_fkey FOREIGN KEY (tenant, organization)
        REFERENCES auth_organizations (tenant, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_memberships_by_joining ON auth_memberships (tenant, organization, joined_at, identity);
CREATE INDEX auth_memberships_by_identity ON auth_memberships (tenant, identity, joined_at, organization);

CREATE TABLE auth_invitations (
    tenant {text} NOT NULL,
    id {bytes} NOT NULL,
    organization {text} NOT NULL,
    invitee {text} NOT NULL,
    roles {json} NOT NULL,
    expires_at {time} NOT NULL,
    data {json} NOT NULL,
    created_at {time} NOT NULL,
    CONSTRAINT auth_invitations_pkey PRIMARY KEY (tenant, id),
    CONSTRAINT auth_invitations_organization_fkey FOREIGN KEY (tenant, organization)
        REFERENCES auth_organizations (tenant, id) ON DELETE CASCADE
){table};
CREATE INDEX auth_invitations_by_creation ON auth_invitations (tenant, organization, created_at, id);
CREATE INDEX auth_invitations_by_expiry ON auth_invitations (tenant, expires_at);
