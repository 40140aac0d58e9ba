# --- Where and by what name

variable "project_id" {
  description = "Google Cloud project that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id is 6 to 30 of a-z 0-9 -, begins with a letter and does not end with a hyphen."
  }
}

variable "region" {
  description = "Region of the machines, buckets and services. Spot T4s must be offered there."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region is named like us-central1: no zone, no multi-region."
  }
}

variable "name" {
  description = "Prefix of all names, so that a project can hold more than one deployment."
  type        = string
  default     = "trivia"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.name))
    error_message = "A name is 2 to 16 of a-z 0-9 -, begins with a letter and does not end with a hyphen."
  }
}

variable "labels" {
  description = "Labels of everything that takes some, beside `app`."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for key, value in var.labels :
      can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "Labels are a-z 0-9 _ -, and at most 63 long; keys begin with a letter."
  }
}

variable "deletion_protection" {
  description = "Keep buckets with objects, the database and the secrets from being deleted by Terraform."
  type        = bool
  default     = true
}

# --- People

variable "operators" {
  description = "Who submits jobs and watches them: IAM members, such as group:video@example.com."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", member))])
    error_message = "Name user:…, group:… or serviceAccount:… with an address: nobody else may be an operator."
  }
}

variable "administrators" {
  description = "Who may also open a shell on the machines: IAM members."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.administrators : can(regex("^(user|group|serviceAccount):[^@\\s]+@[^@\\s]+$", member))])
    error_message = "Name user:…, group:… or serviceAccount:… with an address: nobody else may be an administrator."
  }
}

# --- Network

variable "subnet_cidr" {
  description = "Private addresses of the machines."
  type        = string
  default     = "10.20.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.subnet_cidr)) && try(tonumber(split("/", var.subnet_cidr)[1]), 32) <= 26
    error_message = "Give an IPv4 range of at least 64 addresses, such as 10.20.0.0/20."
  }
}

variable "private_services_cidr" {
  description = "Private addresses of Cloud SQL and Memorystore; must not overlap with the machines'."
  type        = string
  default     = "10.21.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.private_services_cidr)) && try(tonumber(split("/", var.private_services_cidr)[1]), 32) <= 24
    error_message = "Give an IPv4 range of at least 256 addresses, such as 10.21.0.0/20."
  }
}

variable "iap_ranges" {
  description = "Where tunnels of Identity-Aware Proxy come from; published by Google."
  type        = list(string)
  default     = ["35.235.240.0/20"]

  validation {
    condition     = alltrue([for range in var.iap_ranges : can(cidrnetmask(range)) && !endswith(range, "/0")])
    error_message = "Give IPv4 ranges; all of the internet is none."
  }
}

variable "health_check_ranges" {
  description = "Where Google's health checks come from; published by Google."
  type        = list(string)
  default     = ["35.191.0.0/16", "130.211.0.0/22"]

  validation {
    condition     = alltrue([for range in var.health_check_ranges : can(cidrnetmask(range)) && !endswith(range, "/0")])
    error_message = "Give IPv4 ranges; all of the internet is none."
  }
}

# --- Storage and images

variable "soft_delete_days" {
  description = "How long deleted objects of the media bucket can be restored."
  type        = number
  default     = 7

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "Cloud Storage takes 0, or 7 to 90 days."
  }
}

variable "keep_images" {
  description = "How many of the newest versions in the registry are kept whatever their age. A push with provenance makes up to three, an index, the image and its attestation: 30 are ten images."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_images >= 6 && floor(var.keep_images) == var.keep_images
    error_message = "Keep at least six: three of the image that runs, and three of the one to go back to."
  }
}

# --- Machines

variable "image" {
  description = "Container image of all machines, by its digest."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9./_-]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name an image by its digest, …-docker.pkg.dev/…@sha256:…: a tag can be moved."
  }
}

variable "zones" {
  description = "Zones of the region to look for machines in; null: those that are known to offer T4s."
  type        = list(string)
  default     = null

  validation {
    condition     = var.zones == null || try(length(var.zones) > 0 && alltrue([for zone in var.zones : can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", zone))]), false)
    error_message = "Name one or more zones, like us-central1-a."
  }
}

variable "min_machines" {
  description = "The fleet never has fewer render machines."
  type        = number
  default     = 1

  validation {
    condition     = var.min_machines >= 0 && var.min_machines <= 1000 && floor(var.min_machines) == var.min_machines
    error_message = "Give a whole number from 0 to 1000."
  }
}

variable "max_machines" {
  description = "The fleet never has more render machines; the project's quota of GPUs must reach as far."
  type        = number
  default     = 20

  validation {
    condition     = var.max_machines >= 1 && var.max_machines <= 1000 && floor(var.max_machines) == var.max_machines
    error_message = "Give a whole number from 1 to 1000."
  }
}

variable "machine_type" {
  description = "Machine type of render machines; T4s go with N1 alone."
  type        = string
  default     = "n1-standard-4"

  validation {
    condition     = can(regex("^n1-(standard|highmem|highcpu)-[0-9]+$", var.machine_type))
    error_message = "T4s can be attached to N1 machines alone, such as n1-standard-4."
  }
}

variable "gpu_type" {
  description = "GPU of render machines, one each."
  type        = string
  default     = "nvidia-tesla-t4"

  validation {
    condition     = can(regex("^nvidia-tesla-(t4|p4)$", var.gpu_type))
    error_message = "Take nvidia-tesla-t4 or nvidia-tesla-p4: GPUs of N1 machines that have NVENC."
  }
}

variable "api_machine_type" {
  description = "Machine type of the two machines of Prefect's API."
  type        = string
  default     = "e2-standard-2"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+-[a-z0-9-]+$", var.api_machine_type))
    error_message = "A machine type is named like e2-standard-2; it needs 4 GB of memory."
  }
}

variable "control_machine_type" {
  description = "Machine type of the control machine."
  type        = string
  default     = "e2-standard-2"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+-[a-z0-9-]+$", var.control_machine_type))
    error_message = "A machine type is named like e2-standard-2; it needs 8 GB of memory."
  }
}

variable "cos_image" {
  description = "Container-Optimized OS of all machines: a family, which brings fixes at each new template."
  type        = string
  default     = "projects/cos-cloud/global/images/family/cos-125-lts"

  validation {
    condition     = can(regex("^projects/cos-cloud/global/images/(family/cos-[0-9]+-lts|cos-[0-9]+-[0-9]+-[0-9]+-[0-9]+)$", var.cos_image))
    error_message = "Name a family such as projects/cos-cloud/global/images/family/cos-125-lts, or an image of one: cos-stable moves to other milestones by itself."
  }
}

variable "gpu_driver_version" {
  description = "GPU driver: default is the one that the system's release was tested with; else a branch or a version."
  type        = string
  default     = "default"

  validation {
    condition     = can(regex("^(default|latest|R[0-9]{3}|[0-9]{3}\\.[0-9]{2,3}(\\.[0-9]{2})?)$", var.gpu_driver_version))
    error_message = "Name default, latest, a branch such as R535, or a version such as 535.183.01."
  }
}

variable "preemption_notice_seconds" {
  description = "How long before the end a machine is told that it is preempted: 120, or 0 for no notice."
  type        = number
  default     = 120

  validation {
    condition     = contains([0, 120], var.preemption_notice_seconds)
    error_message = "Compute Engine gives a notice of 120 s, or none."
  }
}

variable "healthy_after_seconds" {
  description = "How long a new machine of any kind may take until its health counts. Less than a start takes would replace machines for ever."
  type        = number
  default     = 600

  validation {
    condition     = var.healthy_after_seconds >= 300 && var.healthy_after_seconds <= 3600 && floor(var.healthy_after_seconds) == var.healthy_after_seconds
    error_message = "Give 300 to 3600 s, in whole numbers: installing the driver and fetching the image take minutes."
  }
}

variable "worker_environment" {
  description = "Further TRIVIA_… settings of render machines, such as TRIVIA_ASSET_HOSTS. Not secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.worker_environment : can(regex("^TRIVIA_[A-Z0-9_]+$", key)) && can(regex("^[^\n\r]*$", value))])
    error_message = "Settings are named TRIVIA_…, and each is one line."
  }
}

variable "control_environment" {
  description = "Further TRIVIA_… settings of the control machine, such as TRIVIA_SCALING_POLICY. Not secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.control_environment : can(regex("^TRIVIA_[A-Z0-9_]+$", key)) && can(regex("^[^\n\r]*$", value))])
    error_message = "Settings are named TRIVIA_…, and each is one line."
  }
}

# --- Prefect's database and message broker

variable "database_tier" {
  description = "Machine of Cloud SQL."
  type        = string
  default     = "db-custom-2-7680"

  validation {
    condition     = can(regex("^db-custom-[0-9]+-[0-9]+$", var.database_tier))
    error_message = "Name a machine with cores of its own, such as db-custom-2-7680: two cores, 7,680 MB."
  }
}

variable "database_availability" {
  description = "REGIONAL keeps a standby in another zone, ZONAL does not."
  type        = string
  default     = "REGIONAL"

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.database_availability)
    error_message = "Take REGIONAL or ZONAL."
  }
}

variable "redis_tier" {
  description = "STANDARD_HA keeps a replica in another zone, BASIC does not."
  type        = string
  default     = "STANDARD_HA"

  validation {
    condition     = contains(["STANDARD_HA", "BASIC"], var.redis_tier)
    error_message = "Take STANDARD_HA or BASIC."
  }
}

variable "redis_memory_gb" {
  description = "Memory of Redis."
  type        = number
  default     = 1

  validation {
    condition     = var.redis_memory_gb >= 1 && var.redis_memory_gb <= 300 && floor(var.redis_memory_gb) == var.redis_memory_gb
    error_message = "Memorystore takes 1 to 300 GB."
  }
}

# --- Alerts and cost

variable "alert_email" {
  description = "Who is written to when an alert fires."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.alert_email))
    error_message = "Give an e-mail address."
  }
}

variable "runbook_url" {
  description = "Address of docs/operations.md, to which alerts point; the default names the file alone."
  type        = string
  default     = "docs/operations.md"

  validation {
    condition     = can(regex("^(docs|https://[[:print:]]+)/operations\\.md$", var.runbook_url))
    error_message = "Give the address of docs/operations.md."
  }
}

variable "billing_account" {
  description = "Billing account, for a budget with alerts; null: no budget."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account is named like 012345-6789AB-CDEF01."
  }
}

variable "budget" {
  description = "What the project may cost a month, in whole units of the account's currency."
  type        = number
  default     = null

  validation {
    condition     = var.budget == null || try(var.budget >= 1 && floor(var.budget) == var.budget, false)
    error_message = "Give a whole number of at least 1."
  }
}
