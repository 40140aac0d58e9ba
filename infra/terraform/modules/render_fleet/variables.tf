# --- Where

variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the group."
  type        = string
}

variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "labels" {
  description = "Labels of the machines."
  type        = map(string)
}

variable "zones" {
  description = "Zones of the region with the GPU. The more there are, the likelier one has spot machines left."
  type        = list(string)

  validation {
    condition     = length(var.zones) > 0 && length(distinct(var.zones)) == length(var.zones)
    error_message = "Name one zone at least, and each once."
  }

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", zone))])
    error_message = "A zone is named like us-central1-a."
  }
}

variable "subnetwork" {
  description = "Subnet of the machines: its URL."
  type        = string
}

variable "service_account" {
  description = "Address of the workers' service account."
  type        = string
}

# --- How many

variable "min_machines" {
  description = "Machines of a new group. From then on the autoscale flow decides."
  type        = number
  default     = 1

  validation {
    condition     = var.min_machines >= 0 && floor(var.min_machines) == var.min_machines
    error_message = "Give a whole number, from 0 on."
  }
}

variable "max_machines" {
  description = "The most machines that the autoscale flow may order: what the quota must hold."
  type        = number
  default     = 20

  validation {
    condition     = var.max_machines >= 1 && var.max_machines <= 1000 && floor(var.max_machines) == var.max_machines
    error_message = "Give a whole number from 1 to 1000."
  }
}

# --- What kind

variable "machine_type" {
  description = "Machine type of a render machine."
  type        = string
  default     = "n1-standard-4"

  # T4s are attached to N1 machines alone.
  validation {
    condition     = can(regex("^n1-(standard|highmem|highcpu)-[0-9]+$", var.machine_type))
    error_message = "A T4 needs an N1 machine, such as n1-standard-4."
  }
}

variable "memory_mb" {
  description = "Memory of the worker's container. n1-standard-4 has 15,360 MB; the system keeps the rest."
  type        = number
  default     = 13312
}

variable "gpu_type" {
  description = "GPU of a render machine."
  type        = string
  default     = "nvidia-tesla-t4"

  validation {
    condition     = can(regex("^nvidia-tesla-[a-z0-9]+$", var.gpu_type))
    error_message = "Name a GPU that N1 machines take and that has NVENC, such as nvidia-tesla-t4."
  }
}

variable "cos_image" {
  description = "Container-Optimized OS: the family of one milestone with long-term support, or one image of it."
  type        = string
  # Supported until 2028; `gcloud compute images list --project=cos-cloud --no-standard-images` shows what there is.
  default = "projects/cos-cloud/global/images/family/cos-125-lts"

  validation {
    condition     = can(regex("^projects/cos-cloud/global/images/(family/cos-[0-9]+-lts|cos-[0-9]+-[0-9]+-[0-9]+-[0-9]+)$", var.cos_image))
    error_message = "Name a family such as …/family/cos-125-lts, or an image of one: cos-stable moves to other milestones by itself."
  }
}

variable "gpu_driver_version" {
  description = "GPU driver: default is the one that the system's release was tested with; else a branch or a version."
  type        = string
  default     = "default"
}

variable "boot_disk_gb" {
  description = "Boot disk: 10 GB for the system, 5 for image and driver, the rest for unfinished videos."
  type        = number
  default     = 50

  validation {
    condition     = var.boot_disk_gb >= 30 && floor(var.boot_disk_gb) == var.boot_disk_gb
    error_message = "Give 30 GB at least."
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
  description = "How long a new machine may take until its health counts: start 60 s, GPU driver 120, image 120, worker and preflight 60, which is 360 s, and two thirds more for a slow day. Less than a start takes would replace machines for ever."
  type        = number
  default     = 600

  validation {
    condition     = var.healthy_after_seconds >= 300 && var.healthy_after_seconds <= 3600
    error_message = "Give 300 to 3600 s: installing the driver and fetching the image take minutes."
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

variable "work_bucket" {
  description = "Bucket of clips, results and temporary objects."
  type        = string
}

variable "prefect_api_url" {
  description = "Prefect's API at its internal address."
  type        = string

  validation {
    condition     = can(regex("^https?://[a-z0-9.:-]+/api$", var.prefect_api_url))
    error_message = "Give an address such as http://10.20.0.5:4200/api, without user and password."
  }
}

variable "prefect_auth_version" {
  description = "The version of the secret that holds user and password of Prefect's API."
  type        = string
}

variable "extra_environment" {
  description = "Further settings of the worker, such as TRIVIA_ASSET_HOSTS. None of them secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.extra_environment) : startswith(key, "TRIVIA_")])
    error_message = "Settings are named TRIVIA_…; the others are this module's."
  }
}
