variable "project_id" {
  description = "Google Cloud project that everything is made in."
  type        = string
}

variable "region" {
  description = "Region of the machines, buckets and services."
  type        = string
}

variable "zones" {
  description = "Zones of the region to look for machines in; null: those that are known to offer T4s."
  type        = list(string)
  default     = null
}

variable "image" {
  description = "Container image of all machines, by its digest."
  type        = string
}

variable "operators" {
  description = "Who submits jobs and watches them: IAM members."
  type        = list(string)
  default     = []
}

variable "administrators" {
  description = "Who may also open a shell on the machines: IAM members."
  type        = list(string)
  default     = []
}

variable "min_machines" {
  description = "The fleet never has fewer render machines."
  type        = number
  default     = 1
}

variable "max_machines" {
  description = "The fleet never has more render machines."
  type        = number
  default     = 20
}

variable "alert_email" {
  description = "Who is written to when an alert fires."
  type        = string
}

variable "billing_account" {
  description = "Billing account, for a budget with alerts; null: no budget."
  type        = string
  default     = null
}

variable "budget" {
  description = "What the project may cost a month, in whole units of the account's currency."
  type        = number
  default     = null
}

# --- Asked for less often: what terraform.tfvars is for.

variable "deletion_protection" {
  description = "Keep buckets with objects, the database and the secrets from being deleted by Terraform."
  type        = bool
  default     = true
}

variable "database_tier" {
  description = "Machine of Cloud SQL."
  type        = string
  default     = "db-custom-2-7680"
}

variable "redis_memory_gb" {
  description = "Memory of Redis."
  type        = number
  default     = 1
}

variable "cos_image" {
  description = "Container-Optimized OS of all machines: a family, or one image of it."
  type        = string
  default     = "projects/cos-cloud/global/images/family/cos-125-lts"
}

variable "gpu_driver_version" {
  description = "GPU driver: default is the one that the system's release was tested with; else a branch or a version."
  type        = string
  default     = "default"
}

variable "preemption_notice_seconds" {
  description = "How long before its end a machine is told that it is preempted: 120, or 0 where Compute Engine refuses it."
  type        = number
  default     = 120
}

variable "worker_environment" {
  description = "Further TRIVIA_… settings of render machines, such as TRIVIA_ENCODES_PER_GPU. Not secret."
  type        = map(string)
  default     = {}
}

variable "control_environment" {
  description = "Further TRIVIA_… settings of the control machine, such as TRIVIA_IDLE_SECONDS. Not secret."
  type        = map(string)
  default     = {}
}
