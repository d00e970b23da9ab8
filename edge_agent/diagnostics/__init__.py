"""What a person asks a device: is it well, and if not, what is to be done?"""
