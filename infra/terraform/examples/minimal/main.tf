# A complete deployment: what has no default is asked for, all else is as it comes.

provider "google" {
  project = var.project_id
  region  = var.region
  # Budgets belong to a billing account: their quota has to be said to be this project's.
  user_project_override = true
  billing_project       = var.project_id
}

module "trivia" {
  source = "../.."

  project_id      = var.project_id
  region          = var.region
  zones           = var.zones
  image           = var.image
  operators       = var.operators
  administrators  = var.administrators
  min_machines    = var.min_machines
  max_machines    = var.max_machines
  alert_email     = var.alert_email
  billing_account = var.billing_account
  budget          = var.budget

  deletion_protection       = var.deletion_protection
  database_tier             = var.database_tier
  redis_memory_gb           = var.redis_memory_gb
  cos_image                 = var.cos_image
  gpu_driver_version        = var.gpu_driver_version
  preemption_notice_seconds = var.preemption_notice_seconds
  worker_environment        = var.worker_environment
  control_environment       = var.control_environment
}
