# The whole deployment, put together from modules that know nothing of each other.

locals {
  labels = merge({ app = var.name }, var.labels)
  # By name, since the control machine is there first: the render machines need the address of its API.
  worker_group = "${var.name}-workers"

  # Zones with T4s, from cloud.google.com/compute/docs/gpus/gpu-regions-zones. Another region's are set by hand.
  t4_zones = {
    asia-east1      = ["a", "c"]
    asia-northeast1 = ["a", "c"]
    asia-southeast1 = ["a", "b", "c"]
    europe-west1    = ["b", "c", "d"]
    europe-west2    = ["a", "b"]
    europe-west4    = ["a", "b", "c"]
    us-central1     = ["a", "b", "c", "f"]
    us-east1        = ["c", "d"]
    us-east4        = ["a", "b", "c"]
    us-west1        = ["a", "b"]
    us-west4        = ["a", "b"]
  }
  known_zones = [for zone in lookup(local.t4_zones, var.region, []) : "${var.region}-${zone}"]
  # Where none are known, the output `zones` refuses. The modules get a zone all the same: that they have none would
  # be said beside it, twice and without the remedy.
  zones = var.zones != null ? var.zones : coalescelist(local.known_zones, ["${var.region}-a"])
}

# The interfaces of Google that are called, by Terraform and by the machines. They stay on when this is
# destroyed: something else in the project may use them.
resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "containerscanning.googleapis.com",
    "iam.googleapis.com",
    "iap.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "oslogin.googleapis.com",
    "redis.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
    "texttospeech.googleapis.com",
  ])

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

module "identity" {
  source     = "./modules/identity"
  depends_on = [google_project_service.this]

  project_id     = var.project_id
  name           = var.name
  operators      = var.operators
  administrators = var.administrators
}

module "network" {
  source     = "./modules/network"
  depends_on = [google_project_service.this]

  project_id            = var.project_id
  region                = var.region
  name                  = var.name
  subnet_cidr           = var.subnet_cidr
  private_services_cidr = var.private_services_cidr
  iap_ranges            = var.iap_ranges
  health_check_ranges   = var.health_check_ranges
  worker_email          = module.identity.emails["worker"]
  control_email         = module.identity.emails["control"]
  api_email             = module.identity.emails["api"]
  administrators        = var.administrators
}

module "storage" {
  source     = "./modules/storage"
  depends_on = [google_project_service.this]

  project_id          = var.project_id
  name                = var.name
  location            = var.region
  labels              = local.labels
  worker_member       = module.identity.members["worker"]
  control_member      = module.identity.members["control"]
  operators           = var.operators
  soft_delete_days    = var.soft_delete_days
  deletion_protection = var.deletion_protection
}

module "secrets" {
  source     = "./modules/secrets"
  depends_on = [google_project_service.this]

  project_id = var.project_id
  name       = var.name
  location   = var.region
  labels     = local.labels
  # Operators and the deployer are clients of Prefect's API as well, through their tunnels.
  prefect_auth_readers = concat(
    [for account in ["worker", "control", "api", "deployer"] : module.identity.members[account]],
    var.operators,
  )
  database_url_readers = [for account in ["control", "api"] : module.identity.members[account]]
  deletion_protection  = var.deletion_protection
}

module "registry" {
  source     = "./modules/registry"
  depends_on = [google_project_service.this]

  project_id  = var.project_id
  name        = var.name
  region      = var.region
  labels      = local.labels
  readers     = [for account in ["worker", "control", "api"] : module.identity.members[account]]
  writers     = [module.identity.members["deployer"]]
  keep_images = var.keep_images
}

module "database" {
  source     = "./modules/database"
  depends_on = [google_project_service.this]

  project_id                  = var.project_id
  region                      = var.region
  name                        = var.name
  labels                      = local.labels
  network_id                  = module.network.network_id
  private_services_connection = module.network.private_services_connection
  private_services_range      = module.network.private_services_range
  database_tier               = var.database_tier
  database_availability       = var.database_availability
  redis_tier                  = var.redis_tier
  redis_memory_gb             = var.redis_memory_gb
  deletion_protection         = var.deletion_protection
}

module "control" {
  source     = "./modules/control"
  depends_on = [google_project_service.this]

  project_id              = var.project_id
  region                  = var.region
  name                    = var.name
  labels                  = local.labels
  zones                   = local.zones
  network_id              = module.network.network_id
  subnetwork              = module.network.subnetwork_self_link
  control_service_account = module.identity.emails["control"]
  api_service_account     = module.identity.emails["api"]
  image                   = var.image
  media_bucket            = module.storage.media_bucket
  prefect_auth_version    = module.secrets.versions["prefect-auth"]
  database_url_version    = module.secrets.versions["database-url"]
  redis_host              = module.database.redis_host
  redis_port              = module.database.redis_port
  machine_group           = local.worker_group
  min_machines            = var.min_machines
  max_machines            = var.max_machines
  api_machine_type        = var.api_machine_type
  control_machine_type    = var.control_machine_type
  cos_image               = var.cos_image
  healthy_after_seconds   = var.healthy_after_seconds
  boot_seconds            = var.healthy_after_seconds
  extra_environment       = var.control_environment
}

module "render_fleet" {
  source     = "./modules/render_fleet"
  depends_on = [google_project_service.this]

  project_id                = var.project_id
  region                    = var.region
  name                      = var.name
  labels                    = local.labels
  zones                     = local.zones
  subnetwork                = module.network.subnetwork_self_link
  service_account           = module.identity.emails["worker"]
  image                     = var.image
  media_bucket              = module.storage.media_bucket
  work_bucket               = module.storage.work_bucket
  prefect_api_url           = module.control.prefect_api_url
  prefect_auth_version      = module.secrets.versions["prefect-auth"]
  min_machines              = var.min_machines
  max_machines              = var.max_machines
  machine_type              = var.machine_type
  gpu_type                  = var.gpu_type
  cos_image                 = var.cos_image
  gpu_driver_version        = var.gpu_driver_version
  preemption_notice_seconds = var.preemption_notice_seconds
  healthy_after_seconds     = var.healthy_after_seconds
  extra_environment         = var.worker_environment
}

module "monitoring" {
  source     = "./modules/monitoring"
  depends_on = [google_project_service.this]

  project_id        = var.project_id
  region            = var.region
  name              = var.name
  labels            = local.labels
  alert_email       = var.alert_email
  worker_group      = local.worker_group
  max_machines      = var.max_machines
  database_instance = module.database.database_instance
  redis_instance    = module.database.redis_id
  api_group         = module.control.api_group_name
  secret_readers = {
    (module.secrets.ids["prefect-auth"]) = [for account in ["worker", "control", "api"] : module.identity.emails[account]]
    (module.secrets.ids["database-url"]) = [for account in ["control", "api"] : module.identity.emails[account]]
  }
  billing_account = var.billing_account
  budget          = var.budget
  runbook_url     = var.runbook_url
}
