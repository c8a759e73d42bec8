-- Tenants. Nothing refers to them: the other tables hold rows of tenants that have none here.
CREATE TABLE auth_tenants (
    tenant {text} NOT NULL,
    name {text} NOT NULL,
    settings {json} NOT NULL,
    version {int} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    CONSTRAINT auth_tenants_pkey PRIMARY KEY (tenant)
){table};
