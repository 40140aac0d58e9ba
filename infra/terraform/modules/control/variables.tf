# --- Where

variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of all of it."
  type        = string
}

variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "labels" {
  description = "Labels of machines and addresses."
  type        = map(string)
}

variable "zones" {
  description = "Zones of the region in which the machines may be. With two, one that fails leaves an API."
  type        = list(string)

  validation {
    condition     = length(var.zones) > 0 && length(distinct(var.zones)) == length(var.zones) && alltrue([for zone in var.zones : can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", zone))])
    error_message = "Name one zone at least, such as us-central1-a, and each once."
  }
}

variable "network_id" {
  description = "Network of the load balancer."
  type        = string
}

variable "subnetwork" {
  description = "Subnet of machines and load balancer: its URL."
  type        = string
}

variable "control_service_account" {
  description = "Address of the control machine's service account."
  type        = string
}

variable "api_service_account" {
  description = "Address of the service account of the API's machines."
  type        = string
}

# --- What kind

variable "cos_image" {
  description = "Container-Optimized OS: the family of one milestone with long-term support, or one image of it."
  type        = string
  default     = "projects/cos-cloud/global/images/family/cos-125-lts"

  validation {
    condition     = can(regex("^projects/cos-cloud/global/images/(family/cos-[0-9]+-lts|cos-[0-9]+-[0-9]+-[0-9]+-[0-9]+)$", var.cos_image))
    error_message = "Name a family such as …/family/cos-125-lts, or an image of one: cos-stable moves to other milestones by itself."
  }
}

variable "api_machine_type" {
  description = "Machine of Prefect's API: 80,000 videos a day take 391 ms of CPU each, 0.4 cores of all of them."
  type        = string
  default     = "e2-standard-2"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+-[a-z0-9-]+$", var.api_machine_type))
    error_message = "A machine type is named like e2-standard-2; it needs 4 GB of memory."
  }
}

variable "control_machine_type" {
  description = "Control machine: Prefect's services take 0.2 cores, two flow runs a minute the rest."
  type        = string
  default     = "e2-standard-2"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+-[a-z0-9-]+$", var.control_machine_type))
    error_message = "A machine type is named like e2-standard-2; it needs 8 GB of memory."
  }
}

variable "api_machines" {
  description = "Machines of Prefect's API. Two, so that one can fail or be replaced."
  type        = number
  default     = 2

  validation {
    condition     = var.api_machines >= 1 && var.api_machines <= 10 && floor(var.api_machines) == var.api_machines
    error_message = "Give a whole number from 1 to 10."
  }
}

variable "healthy_after_seconds" {
  description = "How long a new machine may take until its health counts: start 60 s, image 120, migration and programs 120, which is 300 s, and as much again."
  type        = number
  default     = 600

  validation {
    condition     = var.healthy_after_seconds >= 300 && var.healthy_after_seconds <= 3600
    error_message = "Give 300 to 3600 s: fetching the image and migrating the database take minutes."
  }
}

# --- What runs there

variable "image" {
  description = "Container image, by digest."
  type        = string
}

variable "media_bucket" {
  description = "Bucket of jobs, speech and videos."
  type        = string
}

variable "prefect_auth_version" {
  description = "The version of the secret that holds user and password of Prefect's API."
  type        = string
}

variable "database_url_version" {
  description = "The version of the secret that holds the database's address with user and password."
  type        = string
}

variable "redis_host" {
  description = "Private address of Redis."
  type        = string
}

variable "redis_port" {
  description = "Port of Redis."
  type        = number
}

variable "machine_group" {
  description = "The group of render machines that the autoscale flow sizes."
  type        = string
}

variable "min_machines" {
  description = "The fewest render machines."
  type        = number

  validation {
    condition     = var.min_machines >= 0 && floor(var.min_machines) == var.min_machines
    error_message = "Give a whole number, from 0 on."
  }
}

variable "max_machines" {
  description = "The most render machines."
  type        = number

  validation {
    condition     = var.max_machines >= 1 && var.max_machines <= 1000 && floor(var.max_machines) == var.max_machines
    error_message = "Give a whole number from 1 to 1000."
  }
}

variable "boot_seconds" {
  description = "How long a new render machine may take: the autoscale flow counts it as one that comes until then."
  type        = number
  default     = 600

  validation {
    condition     = var.boot_seconds >= 300 && var.boot_seconds <= 3600
    error_message = "Give 300 to 3600 s, as long as the group of render machines waits."
  }
}

variable "extra_environment" {
  description = "Further settings of control worker and dashboard, such as TRIVIA_IDLE_SECONDS. None of them secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.extra_environment) : startswith(key, "TRIVIA_")])
    error_message = "Settings are named TRIVIA_…; the others are this module's."
  }
}
